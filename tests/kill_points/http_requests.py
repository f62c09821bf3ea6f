"""`run` on the loopback Kaggle: a real process is killed before and after each of its HTTP requests.

The client library, the requests and the kernels are real. The service counts its requests itself.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from requests.adapters import HTTPAdapter

from orchestrator.core.run.request import RunRequest
from orchestrator.pipeline.run.runner import execute
from orchestrator.stores.project import Project
from orchestrator.wiring import assemble
from tests.doubles.kaggle_side import (
    FastForwardClock,
    ShortSleepClock,
    far_settings,
    kaggle_backend,
    loopback_variables,
)
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project, toy_card
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle
from tests.kill_points.proof import Row
from tests.kill_points.scenario import DUPLICATED, LOST, WRONG, Fault

NAME = "run, HTTP requests"
_NOT_KILLED = 0


def killed_at_requests(folder: Path) -> Row:
    """Kill before and after each request of one training, and continue."""
    row = Row(NAME)
    template = make_toy_project(folder / "template")
    with loopback_kaggle(folder / "kaggle", settings=far_settings()) as kaggle:
        places = itertools.count(1)
        expected, row.points, row.second["call"] = _undisturbed(kaggle, template, folder / "0")
        row.counts["call"] = row.points
        for number, after in ((number, after) for number in itertools.count(1) for after in (False, True)):
            root = shutil.copytree(template, folder / str(next(places)))
            with _account(kaggle, root.name) as user:
                code, _ = _forked(root, number, after=after)
                if code == _NOT_KILLED:
                    return row
                row.kills, row.states = row.kills + 1, row.states + 1
                where = f"killed {'after' if after else 'before'} request {number}"
                try:
                    _run(root, FastForwardClock())
                    found = list(_faults(kaggle, user, root, expected))
                except Exception:
                    found = [(WRONG, traceback.format_exc())]
                row.faults += [(kind, where, words) for kind, words in found]
            shutil.rmtree(root)
    raise AssertionError("the run never ended")


def _undisturbed(kaggle: LoopbackKaggle, template: Path, root: Path) -> tuple[dict[str, bytes], int, int]:
    """The result, and the number of requests: as sent, and as the service counted them."""
    shutil.copytree(template, root)
    with _account(kaggle, root.name):
        code, sent = _forked(root, 0, after=False)
        assert code == _NOT_KILLED
    return _weights(root), sent, len(kaggle.journal.entries)


@contextmanager
def _account(kaggle: LoopbackKaggle, name: str) -> Iterator[str]:
    """A new account of the service in the environment: kernels of different trainings do not meet."""
    user = f"ana{name}"
    kaggle.accounts.add(user, key=f"5ecre7-{name}")
    variables = {**loopback_variables(key=f"5ecre7-{name}"), "KAGGLE_USERNAME": user}
    with patch.dict(os.environ, variables):
        yield user


def _run(root: Path, clock: ShortSleepClock) -> None:
    project, card = Project(code=root, state=root), toy_card(root)
    with assemble(project, card, kaggle_backend(None, clock), Listener(), clock=clock) as context:
        execute(context, RunRequest(card=card, profile="quick"))


def _forked(root: Path, number: int, *, after: bool) -> tuple[int, int]:
    """Run in a forked process that kills itself at a request; returns its exit code and how many it sent."""
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        try:
            with _killing(number, after=after) as sent:
                _run(root, ShortSleepClock())
            os.write(writing, str(sent[0]).encode())
            os._exit(_NOT_KILLED)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(3)
    os.close(writing)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with os.fdopen(reading) as stream:
        sent = stream.read()
    return code, int(sent or 0)


@contextmanager
def _killing(number: int, *, after: bool) -> Iterator[list[int]]:
    real, sent = HTTPAdapter.send, [0]

    def send(adapter: HTTPAdapter, *args: Any, **named: Any) -> Any:
        sent[0] += 1
        if sent[0] == number and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = real(adapter, *args, **named)
        if sent[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    with patch.object(HTTPAdapter, "send", send):
        yield sent


def _faults(kaggle: LoopbackKaggle, user: str, root: Path, expected: dict[str, bytes]) -> Iterator[Fault]:
    slugs = [str(one.request["slug"]) for one in kaggle.journal.of("SaveKernel")]
    pushed = Counter(slug for slug in slugs if slug.startswith(f"{user}/"))
    if list(pushed.values()) != [1]:
        yield (DUPLICATED if pushed else LOST), f"pushed {dict(pushed)}"
    if _weights(root) != expected:
        yield LOST, "other bytes than without a kill"


def _weights(root: Path) -> dict[str, bytes]:
    models = root / "validation_ch7/section_7_6_rl_performance/data/models"
    paths = [path for path in models.rglob("*") if path.suffix in (".zip", ".npz")]
    return {path.relative_to(models).as_posix(): path.read_bytes() for path in paths}
