"""A secret in use stands anywhere in what a session would be given: exit 2, nothing sent, nothing of it shown."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.error_boundary import run_command
from orchestrator.core.errors import BadInput
from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.pipeline.run.runner import execute
from orchestrator.stores.project import Project
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.wiring import assemble
from tests.doubles.commands import Answer, orchestrate
from tests.doubles.kaggle_side import KEY, USER, HastyClock, far_settings, kaggle_backend, point_at_loopback
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import ENTRY, make_toy_project, read_card_file, set_behaviour, write_card
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

SECRET = "9f1c07d2b3a84e65" + "a0c4d8e2f6b1937c"
SECTION = Path("validation_ch7/section_7_6_rl_performance")
QUICK = ("run", "section_7_6", "--quick")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def _refused(answer: Answer, place: str, secret: str = SECRET, name: str = "KAGGLE_KEY") -> None:
    assert answer.code == 2, answer.err
    assert place in answer.json["error"] and name in answer.json["error"]
    assert "revoke" in answer.json["remedy"]
    assert len(answer.err.rstrip().splitlines()[-2:]) == 2 and "Traceback" not in answer.err
    assert secret not in answer.err + answer.out


def _nothing_kept(root: Path, secret: str = SECRET) -> None:
    """No file of the program's own holds the secret; no session exists."""
    own = root / ".orchestrator"
    assert not any(secret.encode() in path.read_bytes() for path in own.rglob("*") if path.is_file())
    assert not list((own / "local").glob("*")) if (own / "local").exists() else True
    if (own / "ledger.sqlite").is_file():
        rows = sqlite3.connect(own / "ledger.sqlite")
        assert not rows.execute("SELECT count(*) FROM sessions").fetchone()[0]
        rows.close()


@pytest.mark.parametrize("words", [QUICK, (*QUICK, "--dry-run"), (*QUICK, "--detach")])
def test_in_the_code(toy: Path, words: tuple[str, ...]) -> None:
    (toy / SECTION / "own.py").write_text(f"\n\nK = '{SECRET}'\n", encoding="utf-8")
    _refused(orchestrate(toy, *words, "--json", KAGGLE_KEY=SECRET), "own.py, line 3")
    _nothing_kept(toy)


def test_in_the_code_a_rendered_script_is_not_written(toy: Path) -> None:
    (toy / SECTION / "own.py").write_text(f"K = '{SECRET}'\n", encoding="utf-8")
    answer = orchestrate(toy, "render", "section_7_6", "--output", str(toy / "kernel.py"), KAGGLE_KEY=SECRET)
    assert answer.code == 2 and not (toy / "kernel.py").exists()


@pytest.mark.parametrize("field", ["title", "scenario"])
def test_in_the_card(toy: Path, field: str) -> None:
    card = read_card_file(toy)
    card[field] = f"a{SECRET}"
    write_card(toy, card)
    _refused(
        orchestrate(toy, *QUICK, "--json", KAGGLE_KEY=SECRET),
        f"the card or --set, {field}" if field == "title" else "spec.scenario",
    )
    _nothing_kept(toy)


def test_in_a_checkpoint_and_after_it_is_taken_out_of_use_the_same_command_goes_on(toy: Path) -> None:
    assert orchestrate(toy, *QUICK).code == 0
    held = "after 40 steps"
    answer = orchestrate(toy, "run", "section_7_6", "--json", WANDB_API_KEY=held)
    _refused(answer, "checkpoint_40_steps.zip", held, "WANDB_API_KEY")
    assert orchestrate(toy, "run", "section_7_6", "--json").json["steps_start"] == 40


def test_status_works_beside_a_secret(toy: Path) -> None:
    (toy / SECTION / "own.py").write_text(f"K = '{SECRET}'\n", encoding="utf-8")
    assert orchestrate(toy, "status", KAGGLE_KEY=SECRET).code == 0


def test_a_message_never_shows_the_secret(toy: Path) -> None:
    answer = orchestrate(toy, "run", SECRET, "--json", KAGGLE_KEY=SECRET)
    assert answer.code == 2
    assert SECRET not in answer.out + answer.err and "KAGGLE_KEY" in answer.err


def test_the_report_of_our_own_bug_does_not_hold_the_secret(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(toy))
    monkeypatch.setenv("MY_API_TOKEN", SECRET)

    def fail() -> int:
        raise LookupError(f"a request with {SECRET} in it")

    assert run_command(fail, as_json=True) == 3
    report = (toy / ".orchestrator" / "last_error.txt").read_text(encoding="utf-8")
    told = capsys.readouterr()
    assert "LookupError" in report and "MY_API_TOKEN" in report
    assert SECRET not in report + told.out + told.err


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackKaggle]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as service:
        service.accounts.add(USER, key=KEY)
        yield service


def _run(root: Path) -> str:
    project = Project(code=root, state=root)
    card = load_card(project.cards, "section_7_6")
    clock = HastyClock()
    with assemble(project, card, kaggle_backend(KaggleSettings(device="cpu"), clock), Listener(), clock=clock) as parts:
        return execute(parts, RunRequest(card=card, profile="quick")).end_reason


def test_the_key_in_use_never_reaches_the_service(kaggle: LoopbackKaggle, toy: Path) -> None:
    (toy / SECTION / "own.txt").write_text(f"one\nkey is {KEY}\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"own\.txt, line 2: the value of KAGGLE_KEY"):
        _run(toy)
    assert not kaggle.journal.of("SaveKernel")
    (toy / SECTION / "own.txt").unlink()
    assert _run(toy) == "finished"


@pytest.mark.parametrize("carrier", ["inline", "dataset"])
def test_the_key_in_a_checkpoint_is_neither_inlined_nor_uploaded(
    kaggle: LoopbackKaggle, toy: Path, carrier: str
) -> None:
    # Made here by a local session, so that it must travel; too large for the script where a dataset must carry it.
    padding = "" if carrier == "inline" else " + os.urandom(900_000)"
    (toy / SECTION / "entry.py").write_text(
        ENTRY.replace('after {steps} steps".encode()', f'after {{steps}} {KEY}".encode(){padding}'), encoding="utf-8"
    )
    set_behaviour(toy, json.dumps({"*": {"do": "pause"}}))
    assert orchestrate(toy, *QUICK, "--json", KAGGLE_KEY="").json["steps_done"] > 0
    (toy / SECTION / "entry.py").write_text(ENTRY, encoding="utf-8")
    with pytest.raises(BadInput, match=r"checkpoint_.*KAGGLE_KEY"):
        _run(toy)
    assert not kaggle.journal.of("SaveKernel") and not kaggle.journal.of("StartBlobUpload")
