"""`why`: one verdict with its evidence, from real sessions on this computer, and from what is left of them."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.main import main
from tests.doubles.commands import orchestrate
from tests.doubles.script_section import make_script_project
from tests.doubles.toy_section import make_toy_project, set_behaviour

RESULTS = "validation_output/results"
SECRET = "s3cr3t-0f-the-user-4711"
SPLIT = "s3cr3t-0f-XXthe-user-4711"
"""The same in two parts: a script that holds the secret itself is not sent."""
HOSTILE = f"\\x1b]0;title\\x07\\x1b[31mred {SPLIT}\\x1b[0m"

SCRIPTS = {
    "target_reached": "print('CUDA out of memory: MemoryError: No space left on device')",
    "dependency_missing": "import a_library_that_nobody_has",
    "out_of_memory": "raise MemoryError",
    "disk_full": "raise OSError(28, 'Aucun espace disponible sur le périphérique')",
    "nan": "int(float('nan'))",
    "gpu_unusable": "raise RuntimeError('CUDA error: no kernel image is available for execution on the device')",
    "section_error": f"raise ValueError('{HOSTILE}'.replace('XX', ''))",
}


def examined(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    """The JSON of `why`."""
    capsys.readouterr()
    assert main(["why", *words, "--json"]) == 0
    plain: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return plain


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = make_toy_project(tmp_path / "project")
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(root))
    return root


@pytest.fixture
def crashed(toy: Path) -> Path:
    set_behaviour(toy, '{"*": {"do": "raise"}}')
    assert main(["run", "section_7_6", "--quick"]) == 1
    return toy


@pytest.mark.parametrize("verdict", SCRIPTS)
def test_a_script_that_ends_in_this_way_gets_this_verdict(
    verdict: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_script_project(tmp_path, SCRIPTS[verdict])
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(root))
    monkeypatch.setenv("MY_API_KEY", SECRET)
    main(["run", "mine"])
    found = examined(capsys, "mine")
    assert found["verdict"] == verdict, found
    (root / ".orchestrator/ledger.sqlite").unlink()
    for beside in (root / ".orchestrator").glob("ledger.sqlite-*"):
        beside.unlink()
    assert examined(capsys)["verdict"] == verdict  # the same without the ledger
    (manifest,) = (root / RESULTS).glob("*/session_manifest.json")
    manifest.write_bytes(manifest.read_bytes()[:200])
    partial = examined(capsys)
    assert partial["verdict"] == verdict  # and from events and log alone
    assert any("session_manifest.json" in one["source"] for one in partial["evidence"])
    text = json.dumps([found, partial], ensure_ascii=False)
    assert SECRET not in text and "\x1b" not in text and "\\u001b" not in text


def test_a_killed_session_and_a_paused_one(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_behaviour(toy, '{"*": {"do": "vanish"}}')
    assert main(["run", "section_7_6", "--quick"]) == 1
    out = capsys.readouterr().out
    assert "Run ended: stuck at 0 steps" in out
    assert "Why: out of memory: the process was killed (signal 9), usually because memory was used up" in out
    killed = examined(capsys)
    assert (killed["verdict"], killed["rule"]) == ("out_of_memory", "signal")
    assert killed["command"] == "python -m orchestrator run section_7_6 --quick"
    slug = killed["subject"].rpartition(" ")[2]
    assert examined(capsys, slug)["why"].endswith(slug)
    assert main(["status", "section_7_6"]) == 0
    assert f"{killed['sentence']} (`{killed['why']}`)" in capsys.readouterr().out


def test_every_name_of_a_session_finds_it(crashed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder,) = (crashed / RESULTS).iterdir()
    slug = folder.name.removeprefix("local_")
    run_id = json.loads((folder / "session_manifest.json").read_text())["stamp"]["run_id"]
    names = [
        *("section_7_6", run_id, run_id[:-3], slug, folder.name, str(folder), f"{RESULTS}/{folder.name}/"),
        *(f"local://local/{slug}", f"{run_id}/s01a1", slug[-12:-4], slug[-12:-6]),
    ]
    assert {examined(capsys, name)["verdict"] for name in names} == {"section_error"}
    assert examined(capsys)["evidence"][0]["text"] == "RuntimeError: the toy failed on purpose"


def test_an_unknown_name_is_refused_with_the_names_that_exist(
    crashed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["why", "nonsense"]) == 2
    err = capsys.readouterr().err
    assert "nothing here is named 'nonsense'" in err and "section_7_6-" in err


def test_without_any_run_the_first_command_is_named(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why"]) == 2
    assert "no run and no session is here" in capsys.readouterr().err
    assert not (toy / ".orchestrator").exists()


def test_a_damaged_ledger_and_damaged_outputs_are_named_and_passed_over(
    crashed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = crashed / ".orchestrator/ledger.sqlite"
    for beside in ledger.parent.glob("ledger.sqlite-*"):
        beside.unlink()
    ledger.write_bytes(b"no database" * 1000)
    (folder,) = (crashed / RESULTS).iterdir()
    (folder / "session_manifest.json").write_text("[" * 100_000)
    with (folder / "events.jsonl").open("a") as events:
        events.write('{"kind": "ending", "end_reason": 5}\n{"kind": []}\n[1]\n\x00\n{"at": {"a": 1}')
    found = examined(capsys)
    assert found["verdict"] == "section_error"
    assert "the ledger cannot be read" in found["unread"][0]


def test_it_writes_nothing(crashed: Path) -> None:
    def state() -> dict[str, bytes]:
        files = (path for path in crashed.rglob("*") if path.is_file() and "ledger.sqlite-" not in path.name)
        return {path.relative_to(crashed).as_posix(): path.read_bytes() for path in files}

    before = state()
    assert main(["why"]) == 0
    assert state() == before


def test_a_moved_project_is_examined_where_it_is_now(
    crashed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = crashed.with_name("été moved")
    crashed.rename(moved)
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(moved))
    assert examined(capsys)["evidence"][0]["text"] == "RuntimeError: the toy failed on purpose"


def test_results_that_were_deleted_are_read_from_the_sandbox(crashed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(crashed / RESULTS)
    found = examined(capsys)
    assert found["verdict"] == "section_error"
    assert found["evidence"][0]["source"].startswith(".orchestrator/local/")


CAMPAIGN = """
campaign: pair
concurrency: 2
trials:
  main:
    section: section_7_6
    profile: quick
    seeds: 2
"""


def test_every_failed_trial_of_a_campaign_shows_its_verdict(crashed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (crashed / "configs/campaigns").mkdir(parents=True)
    (crashed / "configs/campaigns/pair.yaml").write_text(CAMPAIGN, encoding="utf-8")
    capsys.readouterr()
    sentence = "section error: the section's own code failed: RuntimeError: the toy failed on purpose"
    for words in (
        ["run", "pair"],
        ["tick", "pair"],
        ["status", "pair"],
        ["status", "pair", "--markdown"],
        ["report", "pair"],
    ):
        main(["campaign", *words])
        out = capsys.readouterr().out
        assert out.count(f"{sentence} (`python -m orchestrator why ") >= 2, words
    rows = (crashed / "validation_output/campaigns/pair/failures.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 3 and all("section_error" in row and "campaign tick pair" in row for row in rows[1:])
    for command in ("tick", "status"):
        main(["campaign", command, "pair", "--json"])
        plain = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert [one["autopsy"]["verdict"] for one in plain.get("all_trials", plain["trials"])] == ["section_error"] * 2
    found = examined(capsys, "main seed 1")
    assert found["subject"].startswith("trial main seed 1, run ")
    assert found["command"] == "python -m orchestrator campaign tick pair"


def test_a_trial_without_a_slot_waits_for_one(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (toy / "configs/campaigns").mkdir(parents=True)
    (toy / "configs/campaigns/pair.yaml").write_text(CAMPAIGN.replace("ency: 2", "ency: 1"), encoding="utf-8")
    assert main(["campaign", "tick", "pair"]) == 0
    waiting = examined(capsys, "main seed 1")
    assert (waiting["verdict"], waiting["evidence"][0]["text"]) == ("cap", "all 1 slots are in use")
    assert main(["campaign", "run", "pair"]) == 0
    assert examined(capsys, "main seed 1")["verdict"] == "target_reached"
    set_behaviour(toy, '{"note": "other code"}')
    assert examined(capsys, "main seed 1")["verdict"] == "stale_code"


@pytest.mark.parametrize(
    ("act", "verdict", "end"),
    [("finish", "target_reached", 0), ("pause", "paused", 0), ("raise", "section_error", 1), ("vanish", "", 1)],
)
def test_an_ended_session_that_was_not_collected_is_read_where_it_ran_and_collected_next(
    toy: Path, capsys: pytest.CaptureFixture[str], act: str, verdict: str, end: int
) -> None:
    set_behaviour(toy, f'{{"1": {{"do": "{act}"}}}}')
    assert main(["run", "section_7_6", "--quick", "--detach"]) == 0
    while not list(toy.glob(".orchestrator/local/*/exit.json")):
        time.sleep(0.05)
    (slug,) = (path.name for path in toy.glob(".orchestrator/local/*"))
    for name in ([], [slug]):
        found = examined(capsys, *name)
        assert found["verdict"] == (verdict or "out_of_memory")
        assert found["advice"].startswith("It has ended, and its outputs are not collected yet")
        assert found["command"] == "python -m orchestrator run section_7_6 --quick"
        files = [one["source"].partition(", ")[0] for one in found["evidence"]]
        assert all((toy / one).is_file() for one in files if "/" in one), files
    assert any(one.endswith(("kernel.log", "session_manifest.json")) for one in files)
    assert main(found["command"].split()[3:]) in (0, end)
    assert "not collected" not in examined(capsys, slug)["advice"]


def test_a_damaged_record_of_the_end_is_named(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_behaviour(toy, '{"*": {"do": "raise"}}')
    assert main(["run", "section_7_6", "--quick", "--detach"]) == 0
    while not (ended := list(toy.glob(".orchestrator/local/*/exit.json"))):
        time.sleep(0.05)
    ended[0].write_text("{}", encoding="utf-8")
    damaged = examined(capsys)
    assert damaged["verdict"] == "section_error" and "its record of the end is damaged" in damaged["unread"][0]


def test_what_looks_like_a_token_is_hidden(crashed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (manifest,) = (crashed / RESULTS).glob("*/session_manifest.json")
    plain = json.loads(manifest.read_text(encoding="utf-8"))
    manifest.write_text(json.dumps(plain | {"error": "ValueError: bad token hf_" + "aB3" * 12}), encoding="utf-8")
    found = examined(capsys)
    assert found["verdict"] == "section_error" and "aB3aB3" not in json.dumps(found)
    assert "[hidden: what looks like a Hugging Face token]" in found["sentence"]


def test_a_trial_that_the_last_tick_refused_shows_the_reason(toy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (toy / "configs/campaigns").mkdir(parents=True)
    (toy / "configs/campaigns/pair.yaml").write_text(CAMPAIGN, encoding="utf-8")
    assert examined(capsys, "main seed 0")["verdict"] == "unknown"  # it never ran
    assert main(["run", "section_7_6", "--quick", "--target-steps", "20"]) == 0
    for lost in (RESULTS, "validation_ch7/section_7_6_rl_performance/data", ".orchestrator/local"):
        shutil.rmtree(toy / lost)
    capsys.readouterr()
    for command in ("tick", "status"):
        main(["campaign", command, "pair"])
        assert capsys.readouterr().out.count("checkpoint missing: ") == 1
    found = examined(capsys, "main seed 0")
    assert (found["verdict"], found["rule"]) == ("checkpoint_missing", "refused_here")
    assert found["command"] == "python -m orchestrator checkpoints list section_7_6"


def test_why_from_another_process_without_network(crashed: Path) -> None:
    answer = orchestrate(crashed, "why", "--ask", HTTPS_PROXY="http://127.0.0.1:9", PYTHONIOENCODING="ascii")
    assert answer.code == 0, answer.err
    assert (
        "Verdict: section error: " in answer.out
        and "Next: python -m orchestrator run section_7_6 --quick" in answer.out
    )
