"""Two failures right after the same checkpoint: the run goes on from its parent, says so, and deletes nothing."""

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
    """Trained to 40 steps; the checkpoints of 40 and of 30 are in place."""
    root = make_toy_project(tmp_path / "project")
    assert orchestrate(root, *RUN, "--quick").code == 0
    return root


def checkpoints(root: Path) -> dict[str, bytes]:
    """The models, by steps."""
    folder = root / MODELS / "checkpoints"
    return {path.name.split("_")[-2]: path.read_bytes() for path in sorted(folder.glob("*.zip"))}


def card(root: Path, steps: int) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads((root / MODELS / "checkpoints" / f"{STEM.format(steps)}.json").read_text())
    return plain


def archived(root: Path, steps: int) -> list[Path]:
    return sorted((root / MODELS.parent / "archive").rglob(f"{STEM.format(steps)}.*"))


def walks(root: Path) -> list[dict[str, Any]]:
    ledger = SqliteLedger(root / ".orchestrator" / "ledger.sqlite")
    try:
        assert ledger.rebuild(), "the rows are what the events say"
        return [dict(event.body) for event in ledger.events() if event.kind is EventKind.WALKED_BACK]
    finally:
        ledger.close()


def fail(root: Path, *sessions: int, how: str = "raise") -> None:
    set_behaviour(root, json.dumps({str(number): {"do": how} for number in sessions}))


def said_walk(answer: Answer, left: int, to: int) -> bool:
    lines = answer.out.splitlines()
    return (
        any(
            line.startswith(f"[CHECKPOINT] ⚠️  {STEM.format(left)} is not usable: 2 sessions in a row") for line in lines
        )
        and f"[CHECKPOINT] Walking back to {STEM.format(to)}.zip" in lines
        and any(line.startswith(f"[CHECKPOINT] {STEM.format(left)} is kept in ") for line in lines)
    )


def test_the_third_run_goes_on_from_the_parent_and_ends_like_a_run_from_there(toy: Path, tmp_path: Path) -> None:
    left = {path.name: path.read_bytes() for path in (toy / MODELS / "checkpoints").glob(f"{STEM.format(40)}.*")}
    before = card(toy, 40)
    straight = tmp_path / "straight"
    shutil.copytree(toy, straight)
    for path in (straight / MODELS / "checkpoints").glob(f"{STEM.format(40)}.*"):
        path.unlink()

    fail(toy, 2, 3)
    first, second = orchestrate(toy, *RUN), orchestrate(toy, *RUN)
    for answer in (first, second):
        assert (answer.code, "Walking back" in answer.out) == (1, False)
        assert "from 40 steps to 100 steps" in answer.out
        assert "fix the section's code or its settings, then run the same command again" in answer.out
    plan = orchestrate(toy, *RUN, "--dry-run", "--json")
    assert STEM.format(40) not in plan.out and STEM.format(30) in plan.out  # what it shows is what will be done
    third = orchestrate(toy, *RUN)
    assert third.code == 0 and said_walk(third, 40, 30)
    assert "Session 4: from 30 steps to 100 steps" in third.out

    assert "Session 2: from 30 steps to 100 steps" in orchestrate(straight, *RUN).out
    assert checkpoints(toy) == checkpoints(straight) and set(checkpoints(toy)) == {"100", "90"}
    ancestors = [ancestor["digest"] for ancestor in card(toy, 100)["ancestry"]]
    assert before["digest"] not in ancestors and before["ancestry"][-1]["digest"] in ancestors
    assert {path.name: path.read_bytes() for path in archived(toy, 40)} == left
    (walk,) = walks(toy)
    assert (walk["left_steps"], walk["to_steps"], walk["left_digest"]) == (40, 30, before["digest"])
    assert walk["after"].endswith("/s03a1") and Path(toy / MODELS.parent / "archive").as_posix() in walk["archive"]


def test_one_failure_or_one_and_a_good_session_leave_everything_in_place(toy: Path) -> None:
    fail(toy, 2)
    assert orchestrate(toy, *RUN).code == 1
    assert set(checkpoints(toy)) == {"40", "30"}
    good = orchestrate(toy, *RUN)
    assert good.code == 0 and "Walking back" not in good.out and "Session 3: from 40 steps" in good.out
    assert walks(toy) == []


def test_two_kernels_that_vanish_are_followed_by_the_parent_within_one_command(toy: Path) -> None:
    fail(toy, 2, how="vanish")
    answer = orchestrate(toy, *RUN)
    assert answer.code == 0 and said_walk(answer, 40, 30)
    assert "Session 2, attempt 2: from 40 steps" in answer.out
    assert "Session 3: from 30 steps to 100 steps" in answer.out
    assert set(checkpoints(toy)) == {"100", "90"}


def test_a_parent_that_fails_too_is_followed_by_its_own_which_the_results_hold(tmp_path: Path) -> None:
    """Three checkpoints fail in turn: then the code is to blame, and the run stops as it always did."""
    root = make_toy_project(tmp_path / "project", '{"*": {"do": "pause"}}')
    assert orchestrate(root, *RUN, "--quick").code == 0
    fail(root, *range(5, 20))
    answers = [orchestrate(root, *RUN) for _ in range(8)]
    assert [answer.code for answer in answers] == [1] * 8
    starts = [next(line for line in answer.out.splitlines() if line.startswith("Session ")) for answer in answers]
    assert [line.split("from ")[1].split(" steps")[0] for line in starts] == ["40", "40", "30", "30", *["20"] * 4]
    assert said_walk(answers[2], 40, 30) and said_walk(answers[4], 30, 20)
    assert [(walk["left_steps"], walk["to_steps"]) for walk in walks(root)] == [(40, 30), (30, 20)]
    assert archived(root, 40) and archived(root, 30)
    set_behaviour(root, "{}")
    mended = orchestrate(root, *RUN)
    assert mended.code == 0 and "from 20 steps to 100 steps" in mended.out


def test_the_parent_is_found_in_the_results_where_the_directory_has_none(toy: Path) -> None:
    fail(toy, 2, 3)
    for path in (toy / MODELS / "checkpoints").glob(f"{STEM.format(30)}.*"):
        path.unlink()
    orchestrate(toy, *RUN), orchestrate(toy, *RUN)
    third = orchestrate(toy, *RUN)
    assert third.code == 0 and said_walk(third, 40, 30)
    assert "Session 4: from 30 steps to 100 steps" in third.out and archived(toy, 40)


def test_without_a_parent_it_stops_as_ever(toy: Path) -> None:
    shutil.rmtree(toy / "validation_output")
    for path in (toy / MODELS / "checkpoints").glob(f"{STEM.format(30)}.*"):
        path.unlink()
    fail(toy, 2, 3, 4)
    answers = [orchestrate(toy, *RUN) for _ in range(3)]
    assert all("from 40 steps" in answer.out and "Walking back" not in answer.out for answer in answers)
    assert set(checkpoints(toy)) == {"40"} and walks(toy) == []


def test_a_checkpoint_that_was_made_anew_and_fails_as_well_is_kept(toy: Path) -> None:
    """Its code fails: going back again and again would train the same steps for ever."""
    words = (*RUN, "--quick", "--target-steps", "100")
    fail(toy, 2, 3)
    orchestrate(toy, *words), orchestrate(toy, *words)
    set_behaviour(toy, '{"4": {"do": "pause"}, "5": {"do": "raise"}, "6": {"do": "raise"}, "7": {"do": "raise"}}')
    chained = orchestrate(toy, *words)
    assert said_walk(chained, 40, 30) and "Session 5: from 40 steps" in chained.out
    for _ in range(2):
        again = orchestrate(toy, *words)
        assert "from 40 steps" in again.out and "Walking back" not in again.out
    mended = orchestrate(toy, *words)
    assert mended.code == 0 and "Session 8: from 40 steps" in mended.out and len(walks(toy)) == 1


def test_one_that_the_user_puts_back_is_not_taken_away_again(toy: Path) -> None:
    fail(toy, 2, 3, 4)
    for _ in range(3):
        orchestrate(toy, *RUN)
    for path in archived(toy, 40):
        shutil.copy(path, toy / MODELS / "checkpoints" / path.name)
    back = orchestrate(toy, *RUN)
    assert back.code == 0 and "Session 5: from 40 steps" in back.out and "Walking back" not in back.out
