"""What users do between two commands: kill a command, delete the ledger, edit code, copy files in by hand."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import environment, orchestrate
from tests.doubles.toy_section import make_toy_project, read_card_file, set_behaviour, write_card

MODELS = Path("validation_ch7/section_7_6_rl_performance/data/models")
ENTRY = Path("validation_ch7/section_7_6_rl_performance/entry.py")
QUICK = ("run", "section_7_6", "--quick", "--json")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def close_gate(toy: Path) -> Path:
    """Let every kernel wait until this file exists."""
    gate = toy / "gate"
    gate.unlink(missing_ok=True)
    mark = "    parent, ending = latest, KernelEnding.FINISHED\n"
    plain = (toy / ENTRY).read_text(encoding="utf-8")
    waiting = f"    import time\n    while not Path({str(gate)!r}).exists():\n        time.sleep(0.02)\n"
    if waiting not in plain:
        (toy / ENTRY).write_text(plain.replace(mark, mark + waiting), encoding="utf-8")
    return gate


@contextmanager
def killed_in_flight(toy: Path, *words: str) -> Iterator[None]:
    """Kill a command while its kernel waits for the file `gate`; leaving the block creates that file."""
    gate = close_gate(toy)
    command = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", *words],
        env=environment(toy),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert command.stdout is not None
    for line in command.stdout:
        if b"Starting fresh training" in line or b"Loading checkpoint" in line:
            break
    command.send_signal(signal.SIGKILL)
    command.communicate()
    yield
    gate.touch()


def killing(event: str, folder: Path, *, after: bool = False) -> str:
    """The PYTHONPATH with which a command is killed just before or after it records an event of that kind."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import os, signal\n"
        "from orchestrator.stores.ledger.sqlite import SqliteLedger\n"
        "record = SqliteLedger.record\n"
        "def killed(ledger, *events):\n"
        f"    if {after}:\n"
        "        record(ledger, *events)\n"
        f"    if any(one.kind == {event!r} for one in events):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        f"    if not {after}:\n"
        "        record(ledger, *events)\n"
        "SqliteLedger.record = killed\n",
        encoding="utf-8",
    )
    return os.pathsep.join((str(folder), str(PROJECT_ROOT)))


def ledger_rows(toy: Path) -> list[str]:
    with closing(sqlite3.connect(toy / ".orchestrator/ledger.sqlite")) as ledger:
        return list(ledger.iterdump())


def with_gate_open(toy: Path) -> None:
    (toy / "gate").touch()


def change_card(toy: Path, **profiles_and_keys: Any) -> None:
    card: dict[str, Any] = read_card_file(toy)
    for key, value in profiles_and_keys.items():
        place, _, name = key.rpartition("__")
        block = card
        for part in place.split("__") if place else []:
            block = block[part]
        block[name] = value
    write_card(toy, card)


def stems(toy: Path) -> list[int]:
    return sorted(int(path.stem.split("_")[-2]) for path in (toy / MODELS / "checkpoints").glob("*.zip"))


def test_verdict_is_reported_only_for_the_checkpoint_it_evaluated(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    shutil.rmtree(toy / MODELS / "checkpoints")
    set_behaviour(toy, '{"2": {"do": "die_at_target"}, "*": {"verdict": "not_supported"}}')
    with pytest.raises(AssertionError):  # the toy's models differ only by seed and steps: make them differ
        assert b"other" in (toy / ENTRY).read_bytes()
    text = (toy / ENTRY).read_text(encoding="utf-8")
    (toy / ENTRY).write_text(text.replace('f"model {', 'f"other model {'), encoding="utf-8")
    answer = orchestrate(toy, *QUICK).json
    assert (answer["steps_done"], answer["verdict"]) == (40, "not_supported")


@pytest.mark.parametrize(
    "change",
    [
        {"criteria__min_delay_reduction_pct": 95.0},
        {"profiles__quick__evaluation_scenarios": 5000},
    ],
)
def test_changed_criteria_or_scenarios_trigger_a_new_evaluation(toy: Path, change: dict[str, Any]) -> None:
    orchestrate(toy, *QUICK)
    change_card(toy, **change)
    set_behaviour(toy, '{"*": {"verdict": "inconclusive"}}')
    answer = orchestrate(toy, *QUICK).json
    assert (answer["sessions"], answer["verdict"], answer["steps_done"]) == (1, "inconclusive", 40)
    assert orchestrate(toy, *QUICK).json["sessions"] == 0


@pytest.mark.parametrize("lost", ["validation_output", ".orchestrator/ledger.sqlite"])
def test_evaluation_is_repeated_after_results_or_ledger_were_deleted(toy: Path, lost: str) -> None:
    first = orchestrate(toy, *QUICK).json
    path = toy / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    again = orchestrate(toy, *QUICK).json
    assert (again["sessions"], again["verdict"], again["exit_code"]) == (1, "supported", 0)
    assert again["results_dir"] != first["results_dir"]
    assert (toy / again["results_dir"]).is_dir()


def test_output_changed_after_the_manifest_fails_the_run(toy: Path) -> None:
    text = (toy / ENTRY).read_text(encoding="utf-8")
    late = "        write_text(context.metrics_dir / 'toy.csv', 'a,b\\n1,2\\n')\n"
    spoil = "        import atexit\n        atexit.register((context.metrics_dir / 'toy.csv').write_text, 'a,b,c')\n"
    assert 'write_text(context.metrics_dir / "toy.csv"' in text
    (toy / ENTRY).write_text(
        text.replace("    return SectionOutcome(", f"    if steps >= target:\n{spoil}    return SectionOutcome("),
        "utf-8",
    )
    answer = orchestrate(toy, *QUICK)
    assert late
    assert answer.code == 1
    assert answer.json["verdict"] is None
    assert "toy.csv" in answer.json["problems"][0]


def test_resume_grade_of_a_chain_is_its_lowest_grade(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    set_behaviour(toy, '{"*": {"do": "pause"}}')
    text = (toy / ENTRY).read_text(encoding="utf-8")
    second = 'resume_grade=("statistical" if ticket.session == 2 else "exact") if latest else None'
    (toy / ENTRY).write_text(text.replace('resume_grade="exact" if latest else None', second), encoding="utf-8")
    answer = orchestrate(toy, "run", "section_7_6", "--json").json
    assert answer["sessions"] == 3
    assert answer["resume_grade"] == "statistical"


def test_code_edited_during_a_run_is_compared_before_the_next_session(toy: Path) -> None:
    change_card(toy, resume_floor="exact")
    set_behaviour(toy, '{"*": {"do": "pause"}}')
    text = (toy / ENTRY).read_text(encoding="utf-8")
    edits_itself = f"    Path({str(toy / ENTRY)!r}).open('a').write('# edited under way\\n')\n"
    (toy / ENTRY).write_text(
        text.replace("    act = BEHAVIOUR", f"{edits_itself}    act = BEHAVIOUR"), encoding="utf-8"
    )
    answer = orchestrate(toy, *QUICK)
    assert answer.code == 2
    assert "INCOMPATIBILITY DETECTED" in answer.err
    assert stems(toy) == [10]


def test_adopted_session_belongs_to_the_run_that_started_it(toy: Path) -> None:
    with killed_in_flight(toy, "run", "section_7_6", "--quick"):
        pass
    answer = orchestrate(toy, *QUICK).json
    assert (answer["steps_start"], answer["steps_done"], answer["sessions"]) == (0, 40, 1)
    manifest = json.loads((toy / answer["results_dir"] / "session_manifest.json").read_text("utf-8"))
    assert manifest["stamp"]["run_id"] == answer["run_id"]
    assert "in flight" not in orchestrate(toy, "status").out


def test_add_steps_repeated_after_a_kill_adds_once(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    with killed_in_flight(toy, "run", "section_7_6", "--quick", "--add-steps", "20"):
        pass
    answer = orchestrate(toy, *QUICK, "--add-steps", "20").json
    assert (answer["steps_start"], answer["steps_done"], answer["target_steps"]) == (40, 60, 60)
    assert orchestrate(toy, *QUICK, "--add-steps", "20").json["steps_done"] == 80


def test_wrong_target_is_refused_without_waiting_for_a_session_in_flight(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    with killed_in_flight(toy, "run", "section_7_6"):
        answer = orchestrate(toy, *QUICK, "--target-steps", "10")
    assert answer.code == 2
    assert "below the 40 steps" in answer.err


def test_target_within_the_last_rollout_counts_as_reached(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    assert orchestrate(toy, *QUICK, "--target-steps", "30").json["end_reason"] == "at_target"
    assert orchestrate(toy, *QUICK, "--target-steps", "20").code == 2


def test_session_in_flight_is_found_after_the_ledger_is_lost(toy: Path) -> None:
    with killed_in_flight(toy, "run", "section_7_6", "--quick"):
        (toy / ".orchestrator/ledger.sqlite").unlink()
        dry = orchestrate(toy, *QUICK, "--dry-run")
        assert (dry.code, dry.json["action"]) == (0, "adopt")
        assert not (toy / ".orchestrator/ledger.sqlite").exists()
    answer = orchestrate(toy, *QUICK).json
    assert (answer["steps_done"], answer["sessions"], answer["exit_code"]) == (40, 1, 0)
    assert len(list((toy / "validation_output/results").iterdir())) == 1


def test_run_continues_after_the_sandbox_of_a_session_was_deleted(toy: Path) -> None:
    with killed_in_flight(toy, "run", "section_7_6", "--quick"):
        pass
    time.sleep(0.5)
    shutil.rmtree(toy / ".orchestrator/local")
    answer = orchestrate(toy, *QUICK).json
    assert (answer["steps_done"], answer["exit_code"]) == (40, 0)


def test_checkpoints_copied_in_during_a_session_are_kept(toy: Path, tmp_path: Path) -> None:
    with killed_in_flight(toy, "run", "section_7_6", "--quick"):
        other = make_toy_project(tmp_path / "other")
        orchestrate(other, *QUICK, "--target-steps", "20")
        shutil.copytree(other / MODELS, toy / MODELS, dirs_exist_ok=True)
    answer = orchestrate(toy, *QUICK)
    assert "Other checkpoints were put in place" in answer.err
    assert (answer.json["sessions"], answer.json["steps_done"]) == (2, 40)
    second = json.loads((toy / answer.json["results_dir"] / "session_manifest.json").read_text("utf-8"))
    assert second["steps_start"] == 20


def test_repeated_fresh_adopts_its_session_in_flight(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    with killed_in_flight(toy, "run", "section_7_6", "--quick", "--fresh"):
        pass
    answer = orchestrate(toy, *QUICK, "--fresh")
    assert "is under way: this command continues it" in answer.err
    assert answer.json["sessions"] == 1
    assert len(list((toy / "validation_output/results").iterdir())) == 2


def test_fresh_fetches_the_session_in_flight_but_ignores_its_outputs(toy: Path) -> None:
    with killed_in_flight(toy, "run", "section_7_6", "--quick"):
        pass
    answer = orchestrate(toy, *QUICK, "--fresh")
    assert "its outputs are fetched and not used" in answer.err
    assert answer.json["steps_start"] == 0
    assert len(list((toy / "validation_output/results").iterdir())) == 2


def test_refused_fresh_archives_nothing(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    (toy / "validation_ch7" / "kaggle.json").write_text("{}", encoding="utf-8")
    assert orchestrate(toy, *QUICK, "--fresh").code == 2
    assert stems(toy) == [30, 40]


@pytest.mark.parametrize("steps", [0, 40])
def test_a_dry_run_beside_a_session_in_flight_shows_what_run_does_first(toy: Path, steps: int) -> None:
    if steps:
        orchestrate(toy, *QUICK)
    words, dry = ("run", "section_7_6"), ("run", "section_7_6", "--dry-run", "--json")
    with killed_in_flight(toy, *words):
        ledger = ledger_rows(toy)
        waits, starts_over = orchestrate(toy, *dry), orchestrate(toy, *dry, "--fresh")
        scripts = [orchestrate(toy, "render", "section_7_6", *option) for option in ((), ("--fresh",))]
        assert ledger_rows(toy) == ledger
    assert (waits.code, waits.json["action"]) == (0, "wait")
    assert "wait for session" in waits.err
    assert waits.json["ticket"]["session"] == starts_over.json["ticket"]["session"] == 2 + (steps > 0)
    assert bool(waits.json["ticket"]["inputs"]) == (steps > 0)
    assert (starts_over.json["action"], starts_over.json["ticket"]["inputs"]) == ("collect", [])
    assert "which is in flight, to end" in starts_over.err
    assert [script.code for script in scripts] == [0, 0]


def test_a_dry_run_of_a_repeated_fresh_goes_on_with_it_too(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    with killed_in_flight(toy, "run", "section_7_6", "--quick", "--fresh"):
        answer = orchestrate(toy, *QUICK, "--fresh", "--dry-run")
    assert "is under way: this command continues it" in answer.err
    assert answer.json["action"] == "wait"


def test_detach_does_not_wait_for_a_session_whose_start_was_not_confirmed(toy: Path) -> None:
    killed = killing("session_submitted", toy.parent / "killing")
    close_gate(toy)
    assert orchestrate(toy, "run", "section_7_6", "--quick", PYTHONPATH=killed).code == -signal.SIGKILL
    answer = orchestrate(toy, *QUICK, "--detach", timeout_s=30.0)
    with_gate_open(toy)
    assert (answer.code, answer.json["end_reason"]) == (0, "detached")
    assert orchestrate(toy, *QUICK).json["sessions"] == 1


@pytest.mark.parametrize("again", [(), ("--fresh",), ("--detach",)])
def test_a_session_that_was_planned_and_never_started_is_started(toy: Path, again: tuple[str, ...]) -> None:
    killed = killing("session_planned", toy.parent / "killing", after=True)
    assert orchestrate(toy, *QUICK, PYTHONPATH=killed).code == -signal.SIGKILL
    first = orchestrate(toy, *QUICK, *again)
    assert first.code == 0, first.err
    answer = orchestrate(toy, *QUICK)
    assert (answer.code, answer.json["steps_done"]) == (0, 40)
    assert len(list((toy / "validation_output/results").iterdir())) == 1


def test_deleting_only_the_model_zips_does_not_restart_the_training(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    with killed_in_flight(toy, "run", "section_7_6"):
        for path in (toy / MODELS / "checkpoints").glob("*.zip"):
            path.unlink()
    answer = orchestrate(toy, "run", "section_7_6", "--json").json
    assert (answer["steps_done"], answer["exit_code"]) == (100, 0)


def test_leftover_best_model_is_archived_after_an_adoption(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    best = toy / MODELS / "best_model" / "best_model.zip"
    best.parent.mkdir()
    best.write_bytes(b"of the old training")
    with killed_in_flight(toy, "run", "section_7_6"):
        shutil.rmtree(toy / MODELS / "checkpoints")
    answer = orchestrate(toy, "run", "section_7_6", "--json")
    assert answer.json["steps_done"] == 100
    assert not best.exists()
    assert list((toy / MODELS).parent.glob("archive/*/best_model/best_model.zip"))


def test_flag_overrides_environment_variable(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    answer = orchestrate(toy, *QUICK, "--add-steps", "20", ORCHESTRATOR_TARGET_STEPS="70").json
    assert answer["target_steps"] == 60
    full = orchestrate(toy, "run", "section_7_6", "--full", "--dry-run", "--json", ORCHESTRATOR_QUICK="1").json
    assert full["ticket"]["spec"]["profile"] == "full"
    script = orchestrate(toy, "render", "section_7_6", ORCHESTRATOR_QUICK="1", ORCHESTRATOR_TARGET_STEPS="70").out
    assert "'target_steps': 70" in script
    assert "'profile': 'quick'" in script


def test_dry_run_reports_the_target_and_refuses_damaged_checkpoints(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    assert "Already at the target" in orchestrate(toy, "run", "section_7_6", "--quick", "--dry-run").out
    for path in (toy / MODELS / "checkpoints").glob("*.zip"):
        path.write_bytes(b"damaged")
    for words in (QUICK, (*QUICK, "--dry-run"), ("render", "section_7_6")):
        assert orchestrate(toy, *words).code == 2


def test_stuck_run_prints_a_remedy(toy: Path) -> None:
    set_behaviour(toy, '{"*": {"do": "vanish"}}')
    answer = orchestrate(toy, "run", "section_7_6", "--quick")
    assert answer.code == 1
    assert "Three sessions in a row made no new steps." in answer.out
    assert "Why: out of memory: the process was killed (signal 9)" in answer.out
    assert "Use less memory (buffer_size, batch_size, n_envs), or a machine with more." in answer.out


def test_accept_grade_weights_only_starts_another_training_from_the_weights(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    change_card(toy, seed=5)
    refused = orchestrate(toy, "run", "section_7_6", "--json")
    assert refused.code == 2 and "--accept-grade weights-only" in refused.json["remedy"]
    assert "[CHECKPOINT]   - Seed: checkpoint=0, current=5" in refused.err
    answer = orchestrate(toy, "run", "section_7_6", "--json", "--accept-grade", "weights-only")
    summary = answer.json
    assert (summary["steps_start"], summary["steps_done"], summary["end_reason"]) == (40, 100, "finished")
    assert summary["expected_grade"] == "weights-only"
    assert (
        "Resume grade: weights-only" in answer.err and "  - Seed: checkpoint=0, current=5 (weights-only)" in answer.err
    )
    manifest = json.loads((toy / summary["results_dir"] / "session_manifest.json").read_text("utf-8"))
    assert manifest["spec"]["resume_floor"] == "weights-only"
    assert stems(toy) == [80, 100]
    again = orchestrate(toy, "run", "section_7_6", "--json", "--add-steps", "20")  # now its own lineage
    assert (again.code, again.json["steps_done"], again.json["expected_grade"]) == (0, 120, "exact")


@pytest.mark.parametrize(
    ("floor", "grade", "cause"),
    [("exact", "weights-only", "demands resume_floor: exact"), ("statistical", "statistical", "takes weights-only")],
)
def test_accept_grade_takes_only_weights_only_above_the_floor(toy: Path, floor: str, grade: str, cause: str) -> None:
    change_card(toy, resume_floor=floor)
    answer = orchestrate(toy, *QUICK, "--accept-grade", grade)
    assert answer.code == 2 and cause in answer.json["error"] and answer.json["remedy"]


def test_status_shows_the_resume_grade(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    assert "would resume: exact" in orchestrate(toy, "status").out
    change_card(toy, network=[128, 128])
    status = orchestrate(toy, "status").out
    assert "would resume: refuse" in status
    assert "- Architecture: checkpoint=[64, 64], current=[128, 128] (refuse)" in status
    row = orchestrate(toy, "status", "--json").json["models"][0]
    assert row["resume"]["grade"] == "refuse" and row["lowest_grade"] == "exact"
