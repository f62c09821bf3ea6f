"""Measures the baselines in a second process while the policy trains.

They do not depend on the policy, and a training uses one core. The results go to the folder that the sessions of this
computer share; the comparison finds them there. Without a second process, or if it fails, the comparison measures.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from orchestrator.kernel.pack.capacity import usable_cores
from orchestrator.kernel.session.context import SessionContext
from orchestrator.kernel.wire import digest_of
from orchestrator.sb3.training.training_spec import TrainingSpec
from validation_ch7.section_7_6_rl_performance.controllers.families import TUNED_FAMILIES, Family
from validation_ch7.section_7_6_rl_performance.controllers.interface import Controller
from validation_ch7.section_7_6_rl_performance.evaluation.baselines import (
    Trials,
    measure,
    measure_unsearched,
    trivial_controllers,
    tune_family,
)
from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import arrays_of, result_shapes
from validation_ch7.section_7_6_rl_performance.evaluation.kept_results import KeptResults, session_name
from validation_ch7.section_7_6_rl_performance.evaluation.tuning import Tuning

_WORTH_STEPS = 20_000  # a shorter training ends before the process has begun
_LOOK_EVERY_S = 0.1
_LOW_PRIORITY: int = getattr(subprocess, "BELOW_NORMAL_PRIORITY_CLASS", 0)  # Windows; elsewhere see below
_CODE = f"""
import json, sys
given = json.loads(sys.stdin.readline())
sys.path[:] = given.pop("path")
from {__name__} import measure_all
measure_all(**given)
"""


@contextmanager
def baselines_ahead(context: SessionContext, plan: TrainingSpec) -> Iterator[Callable[[], None]]:
    """Measure while the block runs, where there is a second core and a shared folder; end the process with the block.

    Yields:
        A function that waits until all is measured, or until the session must leave.
    """
    process = _begin(context, plan)
    if process is None:
        yield lambda: None
        return
    try:
        yield lambda: _wait(process, context)
    finally:
        process.kill()
        _close(process)
        process.wait()


def _begin(context: SessionContext, plan: TrainingSpec) -> subprocess.Popen[bytes] | None:
    worth = plan.target_steps >= _WORTH_STEPS and usable_cores() > 1
    if context.shared_dir is None or not worth:
        return None
    given = {
        "path": sys.path,
        "shared": str(context.shared_dir),
        "session": session_name(context.ticket),
        **asdict(Trials.of(plan)),
    }
    line = json.dumps(given).encode() + b"\n"
    command = [sys.executable, "-I", "-X", "utf8", "-c", _CODE]
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, creationflags=_LOW_PRIORITY, bufsize=0
        )
    except OSError as fault:
        context.reporter.event("phase", text=f"The process that measures the baselines cannot begin: {fault}")
        return None
    assert process.stdin is not None
    with suppress(OSError):  # it has failed already, which the wait reports
        process.stdin.write(line)
    return process


def _close(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    with suppress(OSError):  # what the process has never read is lost with it
        process.stdin.close()


def _wait(process: subprocess.Popen[bytes], context: SessionContext) -> None:
    if process.poll() is None:
        context.reporter.event("phase", text="Waiting for the second process, which measures the baselines")
    while process.poll() is None and not context.must_leave:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_LOOK_EVERY_S)
    if process.returncode:
        text = f"The process that measures the baselines failed with exit code {process.returncode}: measuring here"
        context.reporter.event("phase", text=text)


def measure_all(*, shared: str, session: str, **tried_on: Any) -> None:
    """Measure what the shared folder lacks; first wait while another process measures the same.

    Args:
        shared: The folder.
        session: The session that measures.
        tried_on: The fields of `Trials`.
    """
    threading.Thread(target=_end_with_session, daemon=True).start()
    _yield_to_training()
    folder = Path(shared)
    folder.mkdir(parents=True, exist_ok=True)
    turn = folder / f"ahead-{digest_of(tried_on)[:16]}.lock"
    with turn.open("ab") as lock, ThreadPoolExecutor(usable_cores()) as pool:
        if sys.platform != "win32":  # there, two processes may measure the same; the results are equal
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)  # ends with this process, however that ends
        _measure_in(pool, KeptResults({}, session, folder), Trials(**tried_on))


def _yield_to_training() -> None:
    """Let the training go first, and survive if memory runs out."""
    if hasattr(os, "nice"):
        os.nice(5)
    with suppress(OSError):  # Linux; raising this value needs no permission
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _measure_in(pool: Executor, kept: KeptResults, trials: Trials) -> None:
    """Measure rollout first and alone, while the training leaves it one core; then the others in threads."""
    tuned: dict[str, Tuning] = {}

    def try_out(family: Family) -> None:
        tuned[family.name] = tune_family(family, tuned, trials, kept)

    def evaluate(name: str, controller: Controller) -> None:
        what = trials.describe(name, tuned)
        if kept.find(what, result_shapes(trials.n_test)) is None:
            kept.keep(what, arrays_of(measure(trials, name, controller)))  # the comparison measures a part again

    def try_out_and_evaluate(family: Family) -> None:
        if family.name not in tuned:
            try_out(family)
        evaluate(family.name, tuned[family.name].controller(trials.crossing))

    by_name = {family.name: family for family in TUNED_FAMILIES}
    for family in TUNED_FAMILIES:
        if family.base is not None:  # as long as all the others together
            try_out(by_name[family.base])
            measure_unsearched(by_name.pop(family.name), tuned, trials, kept)
    waiting = [pool.submit(try_out_and_evaluate, family) for family in by_name.values()]
    waiting += [pool.submit(evaluate, *named) for named in trivial_controllers(trials)]
    for one in waiting:
        one.result()


def _end_with_session() -> None:
    """End this process when the session's end of the pipe closes, also if the session was killed."""
    sys.stdin.read()
    os._exit(0)
