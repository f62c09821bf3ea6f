"""The whole run loop on a fast toy section: every way a session can end, and every follow-up command."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.doubles.commands import break_judgement, environment, orchestrate
from tests.doubles.toy_section import make_toy_project, read_card_file, set_behaviour, write_card

MODELS = Path("validation_ch7/section_7_6_rl_performance/data/models")
QUICK = ("run", "section_7_6", "--quick", "--json")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def _checkpoints(root: Path) -> list[str]:
    return sorted(path.name for path in (root / MODELS / "checkpoints").glob("*.zip"))


def test_full_run_resumes_at_the_quick_runs_steps(toy: Path) -> None:
    quick = orchestrate(toy, *QUICK).json
    assert (quick["end_reason"], quick["steps_start"], quick["steps_done"], quick["exit_code"]) == (
        "finished",
        0,
        40,
        0,
    )
    assert quick["resume_grade"] is None
    full = orchestrate(toy, "run", "section_7_6", "--json").json
    assert (full["steps_start"], full["steps_done"], full["resume_grade"]) == (40, 100, "exact")
    assert full["lineage_id"] == quick["lineage_id"]
    assert full["results_dir"] != quick["results_dir"]
    assert _checkpoints(toy) == [
        "traffic_light_control_checkpoint_100_steps.zip",
        "traffic_light_control_checkpoint_80_steps.zip",
    ]
    assert (toy / quick["results_dir"] / "session_manifest.json").is_file()


def test_json_output_has_all_fields(toy: Path) -> None:
    answer = orchestrate(toy, *QUICK)
    assert len(answer.out.splitlines()) == 1
    needed = "run_id section backend sessions steps_start steps_done target_steps end_reason exit_code verdict"
    assert set(answer.json) >= {*needed.split(), "results_dir", "restored", "resume_grade"}
    assert answer.err.splitlines()[0].startswith("Backend: local")


def test_second_run_is_at_the_target_and_add_steps_continues(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    assert orchestrate(toy, "fetch", "section_7_6").code == 0  # a repeated fetch reopens no session
    second = orchestrate(toy, *QUICK).json
    assert (second["end_reason"], second["sessions"], second["exit_code"]) == ("at_target", 0, 0)
    assert second["verdict"] == "supported"  # of the session that evaluated exactly this checkpoint
    more = orchestrate(toy, "run", "section_7_6", "--quick", "--add-steps", "15", "--json").json
    assert (more["steps_start"], more["steps_done"], more["target_steps"]) == (40, 55, 55)


def test_emptied_checkpoints_folder_starts_fresh_and_archives_leftovers(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    (toy / MODELS / "best_model").mkdir()
    (toy / MODELS / "best_model/best_model.zip").write_bytes(b"old best")
    for path in (toy / MODELS / "checkpoints").iterdir():
        path.unlink()
    answer = orchestrate(toy, "run", "section_7_6", "--quick")
    assert "Starting fresh training" in answer.out
    assert "from the beginning to 40 steps" in answer.out
    assert not (toy / MODELS / "best_model").exists()
    kept = list((toy / MODELS.parent / "archive").rglob("best_model.zip"))
    assert [path.read_bytes() for path in kept] == [b"old best"]


def test_fresh_archives_and_starts_from_step_0(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    fresh = orchestrate(toy, *QUICK, "--fresh").json
    assert (fresh["steps_start"], fresh["steps_done"], fresh["sessions"]) == (0, 40, 1)
    assert list((toy / MODELS.parent / "archive").rglob("*_checkpoint_40_steps.zip"))
    assert fresh["results_dir"].endswith("-s02")


def test_paused_sessions_are_chained_until_the_target(toy: Path) -> None:
    set_behaviour(toy, '{"*": {"do": "pause"}}')
    chained = orchestrate(toy, *QUICK).json
    assert (chained["sessions"], chained["steps_done"], chained["end_reason"]) == (4, 40, "finished")
    newest = json.loads((toy / MODELS / "checkpoints/traffic_light_control_checkpoint_40_steps.json").read_text())
    assert [ancestor["steps"] for ancestor in newest["ancestry"]] == [10, 20, 30]


def test_run_continues_from_the_checkpoint_of_a_killed_kernel(toy: Path) -> None:
    set_behaviour(toy, '{"1": {"do": "die_after_save"}}')
    answer = orchestrate(toy, "run", "section_7_6", "--quick")
    assert answer.code == 0
    assert "Problem: the session wrote no manifest" in answer.out
    assert "Session 2: from 10 steps to 40 steps" in answer.out


def test_reached_target_without_evaluation_is_evaluated_later(toy: Path) -> None:
    set_behaviour(toy, '{"1": {"do": "die_at_target"}, "2": {"do": "vanish"}}')
    first = orchestrate(toy, *QUICK).json
    assert (first["steps_done"], first["end_reason"], first["verdict"]) == (40, "stuck", None)
    set_behaviour(toy, "{}")
    second = orchestrate(toy, *QUICK).json
    assert (second["sessions"], second["steps_start"], second["end_reason"]) == (1, 40, "finished")
    assert second["verdict"] == "supported"
    assert orchestrate(toy, *QUICK).json["end_reason"] == "at_target"


def test_session_without_checkpoints_prints_the_users_message(toy: Path) -> None:
    set_behaviour(toy, '{"1": {"do": "vanish"}}')
    answer = orchestrate(toy, "run", "section_7_6", "--quick")
    assert "[CHECKPOINT] No checkpoints found in " in answer.out
    assert "This is normal for first run or if training didn't reach checkpoint threshold" in answer.out
    assert "Walking back" not in answer.out


def test_checkpoints_deleted_during_a_session_are_not_restored(toy: Path) -> None:
    """The user empties the folder during a session; that session's checkpoints are not put in place."""
    orchestrate(toy, *QUICK)
    set_behaviour(toy, '{"*": {"do": "pause"}}')
    entry = toy / "validation_ch7/section_7_6_rl_performance/entry.py"
    mark = "    parent, ending = latest, KernelEnding.FINISHED\n"
    wipe = f"    import shutil\n    shutil.rmtree({str(toy / MODELS / 'checkpoints')!r}, ignore_errors=True)\n"
    entry.write_text(entry.read_text(encoding="utf-8").replace(mark, mark + wipe), encoding="utf-8")
    answer = orchestrate(toy, "run", "section_7_6", "--target-steps", "60")
    assert "was emptied during the session" in answer.out
    assert "Run ended: emptied at 0 steps" in answer.out
    assert answer.code == 1


def test_kernel_that_always_vanishes_ends_the_run_stuck(toy: Path) -> None:
    set_behaviour(toy, '{"*": {"do": "vanish"}}')
    answer = orchestrate(toy, *QUICK)
    assert (answer.code, answer.json["end_reason"], answer.json["sessions"]) == (1, "stuck", 3)
    folders = sorted(path.name for path in (toy / "validation_output/results").iterdir())
    assert [name.split("-s01")[1] for name in folders] == ["", "-a2", "-a3"]


def test_failing_section_fails_the_command_with_its_reason(toy: Path) -> None:
    set_behaviour(toy, '{"*": {"do": "raise"}}')
    answer = orchestrate(toy, "run", "section_7_6", "--quick")
    assert answer.code == 1
    assert "the toy failed on purpose" in answer.out
    assert "Run ended: section_failed" in answer.out


def test_invalid_verdict_exits_1(toy: Path) -> None:
    set_behaviour(toy, '{"*": {"verdict": "invalid"}}')
    answer = orchestrate(toy, *QUICK)
    assert (answer.code, answer.json["verdict"], answer.json["end_reason"]) == (1, "invalid", "finished")


def test_not_supported_verdict_exits_0(toy: Path) -> None:
    set_behaviour(toy, '{"*": {"verdict": "not_supported"}}')
    assert orchestrate(toy, *QUICK).code == 0


def test_run_walks_back_from_a_damaged_newest_checkpoint(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    newest = toy / MODELS / "checkpoints/traffic_light_control_checkpoint_40_steps.zip"
    newest.write_bytes(b"damaged")
    answer = orchestrate(toy, "run", "section_7_6", "--quick")
    assert "Walking back to traffic_light_control_checkpoint_30_steps.zip" in answer.out
    assert "Session 2: from 30 steps to 40 steps" in answer.out
    assert answer.code == 0


def test_run_without_usable_checkpoint_is_refused_and_changes_nothing(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    for path in (toy / MODELS / "checkpoints").glob("*.zip"):
        path.write_bytes(b"damaged")
    before = sorted(path.name for path in (toy / MODELS).rglob("*"))
    answer = orchestrate(toy, *QUICK)
    assert answer.code == 2
    assert "--fresh" in answer.json["remedy"]
    assert sorted(path.name for path in (toy / MODELS).rglob("*")) == before


def test_incompatible_checkpoint_is_refused_with_the_users_messages(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    card = read_card_file(toy)
    card["network"] = [128, 128]
    write_card(toy, card)
    answer = orchestrate(toy, "run", "section_7_6")
    assert answer.code == 2
    assert "[CHECKPOINT] ⚠️  INCOMPATIBILITY DETECTED:" in answer.out
    assert "[CHECKPOINT]   - Architecture: checkpoint=[64, 64], current=[128, 128]" in answer.out
    assert "[CHECKPOINT] Recommendation: Delete checkpoints to start fresh" in answer.out
    assert len(_checkpoints(toy)) == 2
    assert orchestrate(toy, *QUICK, "--fresh").json["steps_start"] == 0


def test_changed_code_is_refused_when_the_floor_is_exact(toy: Path) -> None:
    orchestrate(toy, *QUICK)
    card = read_card_file(toy)
    card["resume_floor"] = "exact"
    write_card(toy, card)
    set_behaviour(toy, '{"9": {}}')
    answer = orchestrate(toy, "run", "section_7_6")
    assert answer.code == 2
    assert "- Code: checkpoint=" in answer.out


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_run_works_with_any_terminal_encoding(toy: Path, encoding: str) -> None:
    answer = orchestrate(toy, "run", "section_7_6", "--quick", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
    assert answer.code == 0
    done = "✅" if encoding == "utf-8" else "[OK]"
    assert f"[CHECKPOINT] {done} Successfully restored 2 file(s)" in answer.out


def test_run_does_not_depend_on_the_current_folder(toy: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert orchestrate(toy, *QUICK, cwd=elsewhere).json["steps_done"] == 40
    assert list(elsewhere.iterdir()) == []


def test_same_command_continues_the_session_of_a_killed_command(toy: Path) -> None:
    """The kernel keeps running after its command was killed; the same command adopts it, once."""
    entry = toy / "validation_ch7/section_7_6_rl_performance/entry.py"
    gate = toy / "gate"
    text = entry.read_text(encoding="utf-8").replace(
        "    parent, ending = latest, KernelEnding.FINISHED\n",
        f"    parent, ending = latest, KernelEnding.FINISHED\n    import time\n"
        f"    while not Path({str(gate)!r}).exists():\n        time.sleep(0.02)\n",
    )
    entry.write_text(text, encoding="utf-8")
    first = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "run", "section_7_6", "--quick"],
        env=environment(toy),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert first.stdout is not None
    for line in first.stdout:
        if b"Starting fresh training" in line:
            break
    first.send_signal(signal.SIGKILL)
    first.communicate()
    gate.touch()
    answer = orchestrate(toy, "run", "section_7_6", "--quick")
    assert "carrying it on" in answer.out
    assert answer.code == 0
    assert _checkpoints(toy)[-1] == "traffic_light_control_checkpoint_40_steps.zip"
    assert len(list((toy / "validation_output/results").iterdir())) == 1
    ledger = SqliteLedger(toy / ".orchestrator/ledger.sqlite")
    assert ledger.rebuild()
    assert len(ledger.sessions()) == 1
    ledger.close()


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Restore the default SIGINT handler: a background test run ignores SIGINT, and child processes inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_interrupted_command_leaves_the_session_running(toy: Path) -> None:
    set_behaviour(toy, '{"*": {"do": "pause"}}')
    first = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "run", "section_7_6", "--quick"],
        env=environment(toy),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert first.stdout is not None
    first.stdout.readline()
    first.send_signal(signal.SIGINT)
    _, err = first.communicate()
    assert first.returncode == 130
    assert b"the same command finds it again, and `cancel` stops it" in err
    assert b"Traceback" not in err
    assert orchestrate(toy, *QUICK).json["steps_done"] == 40


def test_dry_run_changes_nothing_and_shows_the_flags(toy: Path) -> None:
    before = sorted(str(path) for path in toy.rglob("*") if "__pycache__" not in path.parts)
    plan = orchestrate(toy, *QUICK, "--target-steps", "60", "--deadline-s", "77", "--dry-run").json
    assert plan["ticket"]["spec"]["target_steps"] == 60
    assert plan["ticket"]["spec"]["deadline_s"] == 77.0
    assert plan["kernel"].startswith("local/arz-validation-section-7-6-")
    assert sorted(str(path) for path in toy.rglob("*") if "__pycache__" not in path.parts) == before


def test_every_flag_reaches_the_kernel(toy: Path) -> None:
    answer = orchestrate(toy, *QUICK, "--target-steps", "60", "--deadline-s", "77").json
    manifest = json.loads((toy / answer["results_dir"] / "session_manifest.json").read_text(encoding="utf-8"))
    assert (manifest["spec"]["target_steps"], manifest["spec"]["deadline_s"]) == (60, 77.0)
    assert manifest["spec"]["profile"] == "quick"
    assert manifest["run_id"] if "run_id" in manifest else manifest["stamp"]["run_id"] == answer["run_id"]


def test_flag_overrides_environment_which_overrides_card(toy: Path) -> None:
    words = ("run", "section_7_6", "--quick", "--dry-run", "--json")
    assert orchestrate(toy, *words).json["ticket"]["spec"]["target_steps"] == 40
    by_variable = orchestrate(toy, *words, ORCHESTRATOR_TARGET_STEPS="70").json
    assert by_variable["ticket"]["spec"]["target_steps"] == 70
    by_flag = orchestrate(toy, *words, "--target-steps", "90", ORCHESTRATOR_TARGET_STEPS="70").json
    assert by_flag["ticket"]["spec"]["target_steps"] == 90


def test_render_prints_a_script_that_compiles(toy: Path) -> None:
    answer = orchestrate(toy, "render", "section_7_6", "--quick")
    assert answer.code == 0
    compile(answer.out, "kernel.py", "exec")


def test_status_shows_steps_in_place_and_creates_nothing(toy: Path) -> None:
    assert "0 steps in place" in orchestrate(toy, "status").out
    assert not (toy / ".orchestrator").exists()
    orchestrate(toy, *QUICK)
    answer = orchestrate(toy, "status", "--json").json
    assert answer["models"][0]["steps"] == 40
    assert answer["runs"][0]["end_reason"] == "finished"
    assert "supported" in orchestrate(toy, "status").out


BAD_INPUTS = {
    "unknown section": ("run", "section_9_9"),
    "target below steps done": ("run", "section_7_6", "--target-steps", "10"),
    "two targets": ("run", "section_7_6", "--target-steps", "50", "--add-steps", "5"),
    "negative steps": ("run", "section_7_6", "--add-steps", "-5"),
    "unknown backend": ("run", "section_7_6", "--backend", "colab"),
    "unknown flag": ("run", "section_7_6", "--tagret-steps", "9"),
    "unknown command": ("runn", "section_7_6"),
}


@pytest.mark.parametrize("words", BAD_INPUTS.values(), ids=BAD_INPUTS.keys())
def test_bad_input_exits_2_without_traceback(toy: Path, words: tuple[str, ...]) -> None:
    orchestrate(toy, *QUICK)
    before = _checkpoints(toy)
    answer = orchestrate(toy, *words)
    assert answer.code == 2
    assert "Traceback" not in answer.out + answer.err
    assert answer.err.strip()
    assert _checkpoints(toy) == before


@pytest.mark.parametrize("text", ["a: [1", "section: 3\n"])
def test_unreadable_card_exits_2(toy: Path, text: str) -> None:
    (toy / "configs/sections/section_7_6.yaml").write_text(text, encoding="utf-8")
    answer = orchestrate(toy, *QUICK)
    assert answer.code == 2
    assert "section_7_6.yaml" in answer.json["error"]


def test_unwritable_output_folder_exits_2(toy: Path) -> None:
    (toy / "validation_output").write_text("a file where a folder must be", encoding="utf-8")
    answer = orchestrate(toy, *QUICK)
    assert (answer.code, "cannot be written" in answer.json["error"]) == (2, True)


def test_kaggle_never_falls_back_to_local(toy: Path) -> None:
    answer = orchestrate(toy, "run", "section_7_6", "--quick", "--backend", "kaggle")
    assert answer.code == 4
    assert not (toy / MODELS).exists()


def test_internal_error_exits_3_without_traceback(toy: Path, tmp_path: Path) -> None:
    answer = orchestrate(toy, *QUICK, PYTHONPATH=break_judgement(tmp_path / "bug"))
    assert answer.code == 3
    assert "Traceback" not in answer.err
    assert "internal error" in answer.json["error"]


def test_cancelled_session_saves_and_the_run_stops(toy: Path) -> None:
    entry = toy / "validation_ch7/section_7_6_rl_performance/entry.py"
    text = entry.read_text(encoding="utf-8").replace(
        "        if context.must_leave or",
        "        import time\n        for _ in range(500):\n            if context.must_leave: break\n"
        "            time.sleep(0.02)\n        if context.must_leave or",
    )
    entry.write_text(text, encoding="utf-8")
    running = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "run", "section_7_6", "--quick", "--json"],
        env=environment(toy),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert running.stderr is not None
    for line in running.stderr:
        if b"10/40" in line:
            break
    sandbox = next((toy / ".orchestrator/local").iterdir())
    (sandbox / "cancel").touch()
    out, _ = running.communicate()
    summary = json.loads(out.decode().splitlines()[-1])
    assert (summary["end_reason"], summary["steps_done"], running.returncode) == ("stopped", 10, 1)
    assert (toy / MODELS / "checkpoints/traffic_light_control_checkpoint_10_steps.zip").is_file()
