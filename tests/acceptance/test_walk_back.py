"""After two failures from one checkpoint the run continues from its parent, reports it, and deletes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.ledger.events import EventKind
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.doubles.commands import Answer, orchestrate
from tests.doubles.toy_section import make_toy_project, set_behaviour

MODELS = Path("validation_ch7/section_7_6_rl_performance/data/models")
STEM = "traffic_light_control_checkpoint_{}_steps"
RUN = ("run", "section_7_6")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A toy project trained to 40 steps, with the checkpoints of 30 and 40 steps in place."""
    root = make_toy_project(tmp_path / "project")
    assert orchestrate(root, *RUN, "--quick").code == 0
    return root


def checkpoints(root: Path) -> dict[str, bytes]:
    """Bytes of the model files, by steps."""
    folder = root / MODELS / "checkpoints"
    return {path.name.split("_")[-2]: path.read_bytes() for path in sorted(folder.glob("*.zip"))}


def card(root: Path, steps: int) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads((root / MODELS / "checkpoints" / f"{STEM.format(steps)}.json").read_text())
    return plain


def archived(root: Path, steps: int) -> list[Path]:
    return sorted((root / MODELS.parent / "archive").rglob(f"{STEM.format(steps)}.*"))


def walk_backs(root: Path) -> list[dict[str, Any]]:
    ledger = SqliteLedger(root / ".orchestrator" / "ledger.sqlite")
    try:
        assert ledger.rebuild(), "the rows must match the events"
        return [dict(event.body) for event in ledger.events() if event.kind is EventKind.WALKED_BACK]
    finally:
        ledger.close()


def make_sessions_fail(root: Path, *sessions: int, how: str = "raise") -> None:
    set_behaviour(root, json.dumps({str(number): {"do": how} for number in sessions}))


def reports_walk_back(answer: Answer, left: int, to: int) -> bool:
    lines = answer.out.splitlines()
    return (
        any(
            line.startswith(f"[CHECKPOINT] ⚠️  {STEM.format(left)} is not usable: 2 sessions in a row") for line in lines
        )
        and f"[CHECKPOINT] Walking back to {STEM.format(to)}.zip" in lines
        and any(line.startswith(f"[CHECKPOINT] {STEM.format(left)} is kept in ") for line in lines)
    )


def test_third_run_continues_from_the_parent_like_a_run_from_there(toy: Path, tmp_path: Path) -> None:
    left = {path.name: path.read_bytes() for path in (toy / MODELS / "checkpoints").glob(f"{STEM.format(40)}.*")}
    before = card(toy, 40)
    straight = tmp_path / "straight"
    shutil.copytree(toy, straight)
    for path in (straight / MODELS / "checkpoints").glob(f"{STEM.format(40)}.*"):
        path.unlink()

    make_sessions_fail(toy, 2, 3)
    first, second = orchestrate(toy, *RUN), orchestrate(toy, *RUN)
    for answer in (first, second):
        assert (answer.code, "Walking back" in answer.out) == (1, False)
        assert "from 40 steps to 100 steps" in answer.out
        assert "fix the section's code or its settings, then run the same command again" in answer.out
    plan = orchestrate(toy, *RUN, "--dry-run", "--json")
    assert STEM.format(40) not in plan.out and STEM.format(30) in plan.out  # it shows what the run will do
    third = orchestrate(toy, *RUN)
    assert third.code == 0 and reports_walk_back(third, 40, 30)
    assert "Session 4: from 30 steps to 100 steps" in third.out

    assert "Session 2: from 30 steps to 100 steps" in orchestrate(straight, *RUN).out
    assert checkpoints(toy) == checkpoints(straight) and set(checkpoints(toy)) == {"100", "90"}
    ancestors = [ancestor["digest"] for ancestor in card(toy, 100)["ancestry"]]
    assert before["digest"] not in ancestors and before["ancestry"][-1]["digest"] in ancestors
    assert {path.name: path.read_bytes() for path in archived(toy, 40)} == left
    (walk,) = walk_backs(toy)
    assert (walk["left_steps"], walk["to_steps"], walk["left_digest"]) == (40, 30, before["digest"])
    assert walk["after"].endswith("/s03a1") and Path(toy / MODELS.parent / "archive").as_posix() in walk["archive"]


def test_single_failure_does_not_walk_back(toy: Path) -> None:
    make_sessions_fail(toy, 2)
    assert orchestrate(toy, *RUN).code == 1
    assert set(checkpoints(toy)) == {"40", "30"}
    good = orchestrate(toy, *RUN)
    assert good.code == 0 and "Walking back" not in good.out and "Session 3: from 40 steps" in good.out
    assert walk_backs(toy) == []


def test_two_vanished_kernels_walk_back_within_one_command(toy: Path) -> None:
    make_sessions_fail(toy, 2, how="vanish")
    answer = orchestrate(toy, *RUN)
    assert answer.code == 0 and reports_walk_back(answer, 40, 30)
    assert "Session 2, attempt 2: from 40 steps" in answer.out
    assert "Session 3: from 30 steps to 100 steps" in answer.out
    assert set(checkpoints(toy)) == {"100", "90"}


@pytest.mark.prove
def test_failing_parent_walks_back_to_its_own_parent_in_the_results(tmp_path: Path) -> None:
    """After three failing checkpoints the code is at fault, so the run no longer walks back."""
    root = make_toy_project(tmp_path / "project", '{"*": {"do": "pause"}}')
    assert orchestrate(root, *RUN, "--quick").code == 0
    make_sessions_fail(root, *range(5, 20))
    answers = [orchestrate(root, *RUN) for _ in range(8)]
    assert [answer.code for answer in answers] == [1] * 8
    starts = [next(line for line in answer.out.splitlines() if line.startswith("Session ")) for answer in answers]
    assert [line.split("from ")[1].split(" steps")[0] for line in starts] == ["40", "40", "30", "30", *["20"] * 4]
    assert reports_walk_back(answers[2], 40, 30) and reports_walk_back(answers[4], 30, 20)
    assert [(walk["left_steps"], walk["to_steps"]) for walk in walk_backs(root)] == [(40, 30), (30, 20)]
    assert archived(root, 40) and archived(root, 30)
    set_behaviour(root, "{}")
    fixed = orchestrate(root, *RUN)
    assert fixed.code == 0 and "from 20 steps to 100 steps" in fixed.out


@pytest.mark.prove
def test_parent_missing_in_place_is_taken_from_the_results(toy: Path) -> None:
    make_sessions_fail(toy, 2, 3)
    for path in (toy / MODELS / "checkpoints").glob(f"{STEM.format(30)}.*"):
        path.unlink()
    orchestrate(toy, *RUN), orchestrate(toy, *RUN)
    third = orchestrate(toy, *RUN)
    assert third.code == 0 and reports_walk_back(third, 40, 30)
    assert "Session 4: from 30 steps to 100 steps" in third.out and archived(toy, 40)


def test_failure_without_a_parent_does_not_walk_back(toy: Path) -> None:
    shutil.rmtree(toy / "validation_output")
    for path in (toy / MODELS / "checkpoints").glob(f"{STEM.format(30)}.*"):
        path.unlink()
    make_sessions_fail(toy, 2, 3, 4)
    answers = [orchestrate(toy, *RUN) for _ in range(3)]
    assert all("from 40 steps" in answer.out and "Walking back" not in answer.out for answer in answers)
    assert set(checkpoints(toy)) == {"40"} and walk_backs(toy) == []


@pytest.mark.prove
def test_retrained_checkpoint_that_fails_again_is_kept(toy: Path) -> None:
    """The code is at fault; walking back again would repeat the same steps forever."""
    words = (*RUN, "--quick", "--target-steps", "100")
    make_sessions_fail(toy, 2, 3)
    orchestrate(toy, *words), orchestrate(toy, *words)
    set_behaviour(toy, '{"4": {"do": "pause"}, "5": {"do": "raise"}, "6": {"do": "raise"}, "7": {"do": "raise"}}')
    chained = orchestrate(toy, *words)
    assert reports_walk_back(chained, 40, 30) and "Session 5: from 40 steps" in chained.out
    for _ in range(2):
        again = orchestrate(toy, *words)
        assert "from 40 steps" in again.out and "Walking back" not in again.out
    fixed = orchestrate(toy, *words)
    assert fixed.code == 0 and "Session 8: from 40 steps" in fixed.out and len(walk_backs(toy)) == 1


def test_checkpoint_put_back_by_the_user_is_not_archived_again(toy: Path) -> None:
    make_sessions_fail(toy, 2, 3, 4)
    for _ in range(3):
        orchestrate(toy, *RUN)
    for path in archived(toy, 40):
        shutil.copy(path, toy / MODELS / "checkpoints" / path.name)
    resumed = orchestrate(toy, *RUN)
    assert resumed.code == 0 and "Session 5: from 40 steps" in resumed.out and "Walking back" not in resumed.out
