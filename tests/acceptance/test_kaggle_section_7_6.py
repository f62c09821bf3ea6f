"""The real section in four sessions on the loopback Kaggle, unattended: the same policy as the same chain at home."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from orchestrator.core.ledger.events import EventKind
from orchestrator.kernel.checkpoint.survey import survey_checkpoints
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.doubles.commands import orchestrate
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables, point_at_loopback
from tests.doubles.real_section import make_real_project
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

MODELS = Path("validation_ch7/section_7_6_rl_performance/data/models")
STEPS, QUESTIONS_EACH = 2000, 55
RUN = ("run", "section_7_6", "--quick", "--json")


def make_impatient_project(root: Path) -> Path:
    """The real section, told to leave when it has asked so often: cuts that do not depend on the clock."""
    make_real_project(root)
    path = root / "validation_ch7/section_7_6_rl_performance/entry.py"
    counted = f"""

from orchestrator.kernel.session.context import SessionContext

ASKED: list[int] = []


def _must_leave(context: SessionContext) -> bool:
    ASKED.append(1)
    return len(ASKED) > {QUESTIONS_EACH} or context.stop.requested


SessionContext.must_leave = property(_must_leave)
"""
    path.write_text(path.read_text("utf-8") + counted, "utf-8")
    return root


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackKaggle]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as service:
        service.accounts.add(USER, key=KEY)
        yield service


def policies(root: Path) -> list[tuple[int, str]]:
    survey = survey_checkpoints(root / MODELS, "traffic_light_control")
    return [(card.steps, str(card.identity["policy_digest"])) for card in survey.verified]


def turnarounds_s(root: Path) -> list[float]:
    """Seconds from the end of a session to the submit of the next."""
    ledger = SqliteLedger(root / ".orchestrator/ledger.sqlite")
    wanted = (EventKind.SESSION_ENDED, EventKind.SESSION_SUBMITTED)
    moments = [(event.kind, datetime.fromisoformat(event.at)) for event in ledger.events() if event.kind in wanted]
    ledger.close()
    pairs = itertools.pairwise(moments)
    return [(b - a).total_seconds() for (kind, a), (_, b) in pairs if kind is EventKind.SESSION_ENDED]


def test_four_sessions_on_kaggle_end_where_four_at_home_do(kaggle: LoopbackKaggle, tmp_path: Path) -> None:
    away, home = make_impatient_project(tmp_path / "away"), make_impatient_project(tmp_path / "home")
    far = orchestrate(away, *RUN, "--target-steps", str(STEPS), "--backend", "kaggle", **loopback_variables())
    near = orchestrate(home, *RUN, "--target-steps", str(STEPS))
    for answer in (far, near):
        assert answer.json["steps_done"] == STEPS, answer.err
        assert answer.json["sessions"] >= 4
    assert far.json["resume_grade"] == near.json["resume_grade"] == "exact"
    assert policies(away) == policies(home)

    sessions = far.json["sessions"]
    counts = kaggle.journal.counts
    assert counts["SaveKernel"] == kaggle.kernels.runs == sessions
    assert counts["StartBlobUpload"] == 0
    sources = [entry.request.get("kernelDataSources", []) for entry in kaggle.journal.of("SaveKernel")]
    slugs = [entry.request["slug"] for entry in kaggle.journal.of("SaveKernel")]
    # Inside the script while the replay buffer is small, then out of the session before: never by an upload.
    assert all(source in ([], [before]) for source, before in zip(sources[1:], slugs, strict=False))
    assert sources[-1] == [slugs[-2]]
    pushes = [entry.bytes_in for entry in kaggle.journal.of("SaveKernel")]
    print(f"sessions {sessions}, calls per session {sum(counts.values()) / sessions:.1f} {dict(counts)}")
    print(f"bytes of each push {pushes}, turnaround {[round(s, 1) for s in turnarounds_s(away)]} s")
