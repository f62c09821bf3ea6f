"""Runs a training program in any language: variables in, finished folders and one exit code out."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from orchestrator.kernel.environment.children import program_guard

POLL_S = 0.1


def program_variables(
    resume: Path | None, start: int, target: int | None, seed: int, device: str, deadline_s: float | None
) -> dict[str, str]:
    """Environment variables for a program; what does not exist is empty."""
    return {
        "ORCHESTRATOR_RESUME_FOLDER": "" if resume is None else str(resume),
        "ORCHESTRATOR_START": str(start),
        "ORCHESTRATOR_TARGET": "" if target is None else str(target),
        "ORCHESTRATOR_SEED": str(seed),
        "ORCHESTRATOR_DEVICE": device,
        "ORCHESTRATOR_DEADLINE_S": "" if deadline_s is None else f"{deadline_s:.1f}",
    }


def run_program(
    command: Sequence[str],
    *,
    variables: Mapping[str, str],
    should_stop: Callable[[], bool],
    save: Callable[[int, Path], None],
) -> int:
    """Run a program, save every folder that it finishes, and end it with SIGTERM when the session must end.

    Args:
        command: Program and arguments.
        variables: Environment variables to add.
        should_stop: Whether the session must end.
        save: Saves a folder as the checkpoint after this number of steps.

    Returns:
        Exit code of the program.

    Raises:
        OSError: The program cannot be started.
    """
    environment = {**os.environ, **variables}
    with tempfile.TemporaryDirectory(prefix="orchestrator-program-") as scratch, program_guard() as guard:
        folder = Path(scratch)
        # In a group of its own: Ctrl-C reaches only this process, which then sends SIGTERM.
        child = subprocess.Popen(
            list(command), env={**environment, "ORCHESTRATOR_SAVE_FOLDER": scratch}, **guard.of_program
        )
        try:
            guard.started(child.pid)
            asked = False
            while child.poll() is None:
                _collect(folder, save)
                if not asked and should_stop():
                    asked = True
                    child.terminate()
                time.sleep(POLL_S)
            _collect(folder, save)
        finally:
            if child.poll() is None:
                _kill(child)
                child.wait()
    return child.returncode


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill a program with what it has started: a shell's child would otherwise train on without an end."""
    if hasattr(os, "killpg"):
        os.killpg(child.pid, signal.SIGKILL)  # it leads its own group: start_new_session
    else:
        child.kill()


def _collect(folder: Path, save: Callable[[int, Path], None]) -> None:
    """Save the newest finished folder, named by its steps, and delete all finished ones."""
    done = sorted((path for path in folder.iterdir() if path.name.isdecimal() and path.is_dir()), key=_steps)
    if done:
        save(_steps(done[-1]), done[-1])
    for path in done:
        shutil.rmtree(path)


def _steps(path: Path) -> int:
    return int(path.name)
