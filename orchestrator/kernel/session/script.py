"""Runs a section's script as `python train.py` would, and reads its outcome from how it ends."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from orchestrator.kernel.outcome import MORE_TO_DO, KernelEnding, SectionOutcome
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.session.current import entered


class ScriptFailed(Exception):
    """The script ended by itself with an exit code that means failure."""


def run_script(context: SessionContext, bundle_root: Path, script: str) -> SectionOutcome:
    """Run a script to its end.

    Its outcome is that of the training that it opened with `orchestrator.session()`. Without one the section has no
    steps: it is finished when the script ends, and paused when it exits with `MORE_TO_DO`.

    Args:
        bundle_root: Root of the unpacked code.
        script: POSIX path of the script below it.

    Raises:
        ScriptFailed: It exited with another code than 0 and `MORE_TO_DO`.
        LeftEarly: It left its training before the target without being asked to.
    """
    path = bundle_root.joinpath(*script.split("/"))
    with entered(context, script=True) as section:
        code = _exit_code(path)
    if code not in (0, MORE_TO_DO) and not section.left_early:
        raise ScriptFailed(f"{script} ended with {f'exit code {code}' if isinstance(code, int) else code}")
    training = section.training
    outcome = training.outcome() if training is not None else SectionOutcome(ending=KernelEnding.FINISHED)
    if code == MORE_TO_DO and outcome.ending is KernelEnding.FINISHED:
        left = KernelEnding.STOPPED if context.stop.requested else KernelEnding.PAUSED
        outcome = replace(outcome, ending=left)
    section.require_end(outcome)
    # A verdict is about the finished training, also where the script gives one before.
    return outcome if outcome.ending is KernelEnding.FINISHED else replace(outcome, verdict=None, verdict_reasons=())


def _exit_code(path: Path) -> int | str:
    """Run a file as the main module, and return the code or text with which it exits, by Python's own rules.

    Source: `sys.exit` in Python's library reference: None is 0, any other object than an integer is a failure. Child
    processes of `multiprocessing` import the main module again; they find it by the `__file__` that `runpy` sets.
    """
    with _arguments(path):
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as ended:
            if ended.code is None:
                return 0
            return int(ended.code) if isinstance(ended.code, int) else str(ended.code) or "an empty text"
        except (FileNotFoundError, ModuleNotFoundError) as fault:
            _explain(fault)
            raise
    return 0


def _explain(fault: FileNotFoundError | ModuleNotFoundError) -> None:
    """Add to the error what differs from a run alone."""
    if isinstance(fault, ModuleNotFoundError):
        fault.add_note(
            f"{fault.name} did not travel. If it is a library, add it to requirements.txt beside the script; if it is "
            "a file of the project, add it to `include` in the card."
        )
    elif isinstance(fault.filename, str) and not Path(fault.filename).is_absolute():
        fault.add_note(
            "The working directory of a session is its output folder. Open a file of the project with "
            "Path(__file__).parent, and add it to `include` in the card."
        )


@contextmanager
def _arguments(path: Path) -> Iterator[None]:
    """`sys.argv` and `sys.path` as Python sets them for a script."""
    before, sys.argv = sys.argv, [str(path)]
    sys.path.insert(0, str(path.parent))
    try:
        yield
    finally:
        sys.argv = before
        sys.path.remove(str(path.parent))
