"""No session is pushed for something that a further look settles.

The property: while each fault of the service passes within the patience that `settling.py` states, every push starts
from the newest checkpoint that a session has saved, no push follows the end of the training, and none runs beside
another.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from orchestrator.backends.kaggle.backend import KaggleBackend
from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.retry import Retry
from orchestrator.backends.kaggle.session.checkpoint_dataset import CheckpointDataset
from orchestrator.core.errors import RemoteUnavailable
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.summary import RunSummary
from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.core.session.settling import LONG_PAUSES_S
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.runner import execute
from orchestrator.stores.project import Project
from orchestrator.wiring import assemble
from tests.doubles.clock import FakeClock
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project, toy_card
from tests.simulation.kaggle_outputs import DAMAGES, RUNS_S, SHORT_S, ToyKaggle, Trouble

PATIENCE_S = sum(LONG_PAUSES_S)
STATUSES = (0, 500, 503, 409, 418, 451, 403)


class Far:
    """A project, an account on the service in memory, and commands on a virtual clock."""

    def __init__(self, root: Path) -> None:
        self.root, self.clock, self.listener = make_toy_project(root / "project"), FakeClock(), Listener()
        self.kaggle = ToyKaggle(self.clock, root / "kernels")

    @contextmanager
    def context(self) -> Iterator[RunContext]:
        retry = Retry(self.clock, random.Random(0).uniform)
        api = cast(KaggleApi, self.kaggle)
        backend = KaggleBackend(api, cast(CheckpointDataset, None), KaggleSettings(device="cpu"), retry)
        project = Project(code=self.root, state=self.root)
        with assemble(project, toy_card(self.root), backend, self.listener, clock=self.clock) as context:
            yield context

    def run(self) -> RunSummary | None:
        """One `run`; None if it ended with exit code 4."""
        return self._execute(waits=True)

    def tick(self) -> RunSummary | None:
        """One step, as in a campaign's tick."""
        return self._execute(waits=False)

    def _execute(self, *, waits: bool) -> RunSummary | None:
        request = RunRequest(card=toy_card(self.root), profile="quick", **({} if waits else {"starts": True}))
        try:
            with self.context() as context:
                return execute(replace(context, waits=waits), request)
        except RemoteUnavailable:
            return None

    def finish(self) -> RunSummary:
        """Run until there is a verdict, an hour between two commands."""
        for _ in range(20):
            summary = self.run()
            if summary is not None and summary.verdict is not None:
                return summary
            self.clock.sleep(3600.0)
        raise AssertionError(f"not finished: {summary}\n{self.listener.text[-3000:]}")


STATES = (*STATUSES, 404, "RUNNING", "CANCEL_REQUESTED", "QUEUED", "??")
MANIFEST = "manifest.json"

TROUBLES = st.one_of(
    st.builds(dict, kind=st.just("listing"), how=st.sampled_from([*STATUSES, "empty", "partial", "stale", "twice"])),
    st.builds(dict, kind=st.just("manifest"), how=st.sampled_from([*STATUSES, *DAMAGES]), path=st.just(MANIFEST)),
    st.builds(
        dict,
        kind=st.just("checkpoint"),
        how=st.sampled_from([*STATUSES, "html", "half", "flipped", "longer"]),
        path=st.sampled_from(["_steps.zip", "0_steps.json", ".state.npz", "_40_steps.zip", "_20_steps.zip", ""]),
    ),
    st.builds(dict, kind=st.just("file"), how=st.sampled_from(STATUSES), path=st.just("events.jsonl")),
    st.builds(dict, kind=st.just("log"), how=st.sampled_from([*STATUSES, "empty"])),
    st.builds(dict, kind=st.just("record"), how=st.sampled_from(STATUSES)),
    st.builds(
        dict,
        kind=st.just("state"),
        how=st.sampled_from([*STATUSES, 404, "RUNNING", "CANCEL_REQUESTED", "QUEUED", "??"]),
    ),
    st.builds(dict, kind=st.just("early"), how=st.just("")),
    st.builds(dict, kind=st.just("zip"), how=st.sampled_from([*STATUSES, "html", "half", "flipped"])),
)
LASTING = st.sampled_from([1.0, 30.0, 300.0, 1200.0, PATIENCE_S - 300.0])


class NoNeedlessPush(RuleBasedStateMachine):
    """One training; sessions end in any way, and their outputs are hard to get for a while."""

    @initialize()
    def set_up_project(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.far = Far(self.folder)

    @rule(
        fate=st.sampled_from(["pause", "die", "fail", "finish"]),
        runs_s=st.sampled_from([SHORT_S, RUNS_S]),
        troubles=st.lists(st.tuples(TROUBLES, LASTING), min_size=1, max_size=3),
    )
    def next_session(self, fate: str, runs_s: float, troubles: list[tuple[dict[str, Any], float]]) -> None:
        self.far.kaggle.fates.append(fate)
        self.far.kaggle.runs_s.append(runs_s)
        self.far.kaggle.troubles.append([Trouble(**one, lasts_s=lasts_s) for one, lasts_s in troubles])

    @rule(how=st.sampled_from(["before", "after"]), rename=st.booleans())
    def lose_answer(self, how: str, rename: bool) -> None:
        self.far.kaggle.lose.append(how)
        self.far.kaggle.rename = rename

    @rule()
    def run_command(self) -> None:
        self.far.run()

    @rule(after_s=st.sampled_from([0.0, 60.0, 1200.0, 3600.0, 7200.0]))
    def tick_command(self, after_s: float) -> None:
        self.far.clock.sleep(after_s)
        self.far.tick()

    @invariant()
    def no_push_was_needless(self) -> None:
        if hasattr(self, "far"):
            assert self.far.kaggle.wrongs == [], self.far.listener.text[-3000:]

    def teardown(self) -> None:
        if not hasattr(self, "far"):
            return
        try:
            self.no_push_was_needless()
            self.far.kaggle.fates, self.far.kaggle.troubles, self.far.kaggle.lose = [], [], []
            self.far.finish()
            self.no_push_was_needless()
        finally:
            shutil.rmtree(self.folder)


_PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.target)
_LENIENT = [HealthCheck.too_slow, HealthCheck.filter_too_much]

TestNoNeedlessPush = NoNeedlessPush.TestCase
TestNoNeedlessPush.settings = settings(
    max_examples=int(os.environ.get("NEEDLESS_PUSH_EXAMPLES", "8")),
    stateful_step_count=10,
    deadline=None,
    derandomize=not os.environ.get("NEEDLESS_PUSH_EXAMPLES"),
    suppress_health_check=_LENIENT,
    phases=_PHASES,
)


def test_an_undisturbed_training_needs_as_many_pushes_as_sessions(tmp_path: Path) -> None:
    far = Far(tmp_path)
    far.kaggle.fates = ["pause", "die", "finish"]
    assert far.finish().end_reason == "finished"
    assert (len(far.kaggle.kernels), far.kaggle.wrongs) == (3, [])


ALL = (
    *(("listing", how, "") for how in (*STATUSES, "empty", "partial", "stale", "twice", "short")),
    *(("manifest", how, MANIFEST) for how in (*STATUSES, *DAMAGES)),
    *(("checkpoint", how, path) for how in (*STATUSES, *DAMAGES) for path in ("_steps.zip", "0_steps.json", ".npz")),
    *(("file", how, "") for how in (451, "half")),
    *(("log", how, "") for how in (500, 451, "empty")),
    *(("record", how, "") for how in STATUSES),
    *(("state", how, "") for how in STATES),
    ("early", "", ""),
    *(("zip", how, "") for how in (500, "html", "half", "flipped")),
)
TYPICAL = (
    ("listing", "empty", ""),
    ("listing", "stale", ""),
    ("manifest", 409, MANIFEST),
    ("manifest", "html", MANIFEST),
    ("checkpoint", 451, "_steps.zip"),
    ("checkpoint", "flipped", "0_steps.json"),
    ("record", 418, ""),
    ("state", 404, ""),
    ("state", 500, ""),
)


def _is_settled(
    folder: Path, trouble: tuple[str, int | str, str], fate: str, *, waits: bool, runs_s: float = RUNS_S
) -> None:
    """One session with a trouble that lasts for almost the whole patience, then one without, if it is needed."""
    far = Far(folder)
    kind, how, path = trouble
    lasts_s = PATIENCE_S - 300.0
    hard = [Trouble(kind=kind, how=how, path=path, lasts_s=lasts_s), Trouble(kind="zip", how=404, lasts_s=lasts_s)]
    far.kaggle.fates, far.kaggle.troubles, far.kaggle.runs_s = ["pause", fate], [[], hard], [RUNS_S, runs_s]
    for _ in range(0 if waits else 12):
        far.tick()
        far.clock.sleep(1260.0)
    summary = far.finish()
    assert summary.verdict == "supported"
    assert (len(far.kaggle.kernels), far.kaggle.wrongs) == ({"finish": 2, "die": 3}[fate], [])


@pytest.mark.parametrize("trouble", TYPICAL, ids=str)
def test_what_a_further_look_settles_costs_no_session(tmp_path: Path, trouble: tuple[str, int | str, str]) -> None:
    for number, (fate, waits) in enumerate((("finish", True), ("die", False))):
        _is_settled(tmp_path / str(number), trouble, fate, waits=waits)


@pytest.mark.parametrize("waits", [True, False], ids=["run", "tick"])
def test_outputs_and_log_that_come_late_cost_no_session_although_it_was_short(tmp_path: Path, waits: bool) -> None:
    """It died after two minutes: whether it had time to write is unknown until its log is there."""
    _is_settled(tmp_path, ("listing", "empty", ""), "die", waits=waits, runs_s=SHORT_S)


def test_a_short_session_that_left_nothing_at_all_is_waited_for_as_long_as_late_outputs(tmp_path: Path) -> None:
    far = Far(tmp_path)
    far.kaggle.fates, far.kaggle.runs_s = ["fail"], [SHORT_S]
    far.kaggle.troubles = [[Trouble(kind="log", how="empty", lasts_s=1e9)]]
    pushes = []
    for _ in range(8):
        far.tick()
        pushes.append(len(far.kaggle.kernels))
        far.clock.sleep(600.0)
    # The third tick sees the end first; half an hour later the session is judged, and the next one is pushed.
    assert pushes[:4] == [1, 1, 1, 1] and pushes[-1] == 2


AT_FIRST, AT_LAST = (0.0, 60.0), (PATIENCE_S - 60.0, PATIENCE_S + 120.0)


@pytest.mark.parametrize(
    "stale_s",
    [
        pytest.param([AT_FIRST], marks=pytest.mark.prove, id="at first"),
        pytest.param([AT_LAST], marks=pytest.mark.prove, id="at the last look"),
        pytest.param([AT_FIRST, AT_LAST], id="at both"),
    ],
)
def test_a_stale_listing_of_a_session_without_a_manifest_does_not_end_the_training(
    tmp_path: Path, stale_s: list[tuple[float, float]]
) -> None:
    """It shows the outputs of the session before, which must not count as those of the one that died."""
    far = Far(tmp_path)
    stale = [Trouble(kind="listing", how="stale", from_s=from_s, lasts_s=lasts_s) for from_s, lasts_s in stale_s]
    far.kaggle.fates, far.kaggle.troubles = ["pause", "die", "finish"], [[], stale, []]
    for _ in range(60):
        far.tick()
        far.clock.sleep(300.0)
    with far.context() as context:
        ends = [str(record.end_reason) for record in context.ledger.sessions()]
    assert (ends, far.kaggle.wrongs) == (["paused", "crashed", "finished"], [])


@pytest.mark.prove
@pytest.mark.parametrize("runs_s", [RUNS_S, SHORT_S], ids=["long", "short"])
@pytest.mark.parametrize("waits", [True, False], ids=["run", "tick"])
@pytest.mark.parametrize("fate", ["finish", "die"])
@pytest.mark.parametrize("trouble", ALL, ids=str)
def test_every_trouble_costs_no_session(
    tmp_path: Path, trouble: tuple[str, int | str, str], fate: str, waits: bool, runs_s: float
) -> None:
    _is_settled(tmp_path, trouble, fate, waits=waits, runs_s=runs_s)


@pytest.mark.parametrize(
    "trouble",
    [
        ("state", 500, ""),
        ("state", 404, ""),
        ("state", "QUEUED", ""),
        ("record", 451, ""),
        ("manifest", 409, MANIFEST),
        ("checkpoint", 500, "_40_steps.zip"),
        pytest.param(("state", "RUNNING", ""), marks=pytest.mark.prove),
        pytest.param(("state", 418, ""), marks=pytest.mark.prove),
        pytest.param(("record", 500, ""), marks=pytest.mark.prove),
        pytest.param(("manifest", 500, MANIFEST), marks=pytest.mark.prove),
        pytest.param(("manifest", "html", MANIFEST), marks=pytest.mark.prove),
        pytest.param(("checkpoint", 451, "_40_steps.json"), marks=pytest.mark.prove),
        pytest.param(("checkpoint", "half", "_40_steps.state.npz"), marks=pytest.mark.prove),
        pytest.param(("file", 500, "events.jsonl"), marks=pytest.mark.prove),
        pytest.param(("log", 500, ""), marks=pytest.mark.prove),
        pytest.param(("listing", "partial", ""), marks=pytest.mark.prove),
        pytest.param(("listing", "stale", ""), marks=pytest.mark.prove),
    ],
    ids=str,
)
def test_what_never_comes_blocks_nothing_for_ever(tmp_path: Path, trouble: tuple[str, int | str, str]) -> None:
    far = Far(tmp_path)
    kind, how, path = trouble
    for_ever = [Trouble(kind=kind, how=how, path=path, lasts_s=1e9), Trouble(kind="zip", how=404, lasts_s=1e9)]
    far.kaggle.fates, far.kaggle.troubles = ["pause", "finish"], [[], for_ever]
    assert far.finish().verdict == "supported"
    needed = 2 if kind in ("state", "record", "file", "log") else 3
    assert len(far.kaggle.kernels) <= needed


def test_waiting_for_a_backend_that_gives_no_output_is_reported(tmp_path: Path) -> None:
    far = Far(tmp_path)
    far.kaggle.troubles = [[Trouble(kind="listing", how=503, lasts_s=900.0)]]
    summary = far.run()
    assert summary is not None and (summary.verdict, len(far.kaggle.kernels)) == ("supported", 1)
    lines = [line for line in far.listener.lines if "fetching it again in" in line]
    assert lines and "has ended, but Kaggle, listing: HTTP 503" in lines[0]
    assert lines[0].endswith("in 5 s") and lines[-1].endswith(" min")
