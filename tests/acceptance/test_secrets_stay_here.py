"""A secret in a session's inputs: exit code 2, nothing is sent, and the secret is never printed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli.error_boundary import run_command
from orchestrator.cli.main import main
from orchestrator.core.errors import BadInput
from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.pipeline.run.runner import execute
from orchestrator.stores.project import Project
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.wiring import assemble
from tests.doubles.commands import Answer, orchestrate
from tests.doubles.kaggle_side import KEY, USER, ShortSleepClock, far_settings, kaggle_backend, point_at_loopback
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import ENTRY, make_toy_project, read_card_file, set_behaviour, write_card
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

SECRET = "9f1c07d2b3a84e65" + "a0c4d8e2f6b1937c"
SECTION = Path("validation_ch7/section_7_6_rl_performance")
QUICK = ("run", "section_7_6", "--quick")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def _write_imported(root: Path, text: str) -> None:
    """Write a module of the section that its entry point imports."""
    (root / SECTION / "own.py").write_text(text, encoding="utf-8")
    (root / SECTION / "entry.py").write_text(f"{ENTRY}\nfrom . import own\n", encoding="utf-8")


def _assert_refused(answer: Answer, place: str, secret: str = SECRET, name: str = "KAGGLE_KEY") -> None:
    assert answer.code == 2, answer.err
    assert place in answer.json["error"] and name in answer.json["error"]
    assert answer.json["error"].startswith("a credential would leave this computer: ")
    assert "revoke" in answer.json["remedy"]
    assert len(answer.err.rstrip().splitlines()[-2:]) == 2 and "Traceback" not in answer.err
    assert secret not in answer.err + answer.out


def _assert_nothing_stored(root: Path, secret: str = SECRET) -> None:
    """Assert that no file in `.orchestrator` holds the secret and that no session exists."""
    own = root / ".orchestrator"
    assert not any(secret.encode() in path.read_bytes() for path in own.rglob("*") if path.is_file())
    assert not list((own / "local").glob("*")) if (own / "local").exists() else True
    if (own / "ledger.sqlite").is_file():
        rows = sqlite3.connect(own / "ledger.sqlite")
        assert not rows.execute("SELECT count(*) FROM sessions").fetchone()[0]
        rows.close()


@pytest.mark.parametrize("words", [QUICK, (*QUICK, "--dry-run"), (*QUICK, "--detach")])
def test_secret_in_the_code_is_refused(toy: Path, words: tuple[str, ...]) -> None:
    _write_imported(toy, f"\n\nK = '{SECRET}'\n")
    _assert_refused(orchestrate(toy, *words, "--json", KAGGLE_KEY=SECRET), "own.py, line 3")
    _assert_nothing_stored(toy)


def test_render_writes_no_script_with_a_secret(toy: Path) -> None:
    _write_imported(toy, f"K = '{SECRET}'\n")
    answer = orchestrate(toy, "render", "section_7_6", "--output", str(toy / "kernel.py"), KAGGLE_KEY=SECRET)
    assert answer.code == 2 and not (toy / "kernel.py").exists()


@pytest.mark.parametrize("field", ["title", "scenario"])
def test_secret_in_the_card_is_refused(toy: Path, field: str) -> None:
    card = read_card_file(toy)
    card[field] = f"a{SECRET}"
    write_card(toy, card)
    _assert_refused(
        orchestrate(toy, *QUICK, "--json", KAGGLE_KEY=SECRET),
        f"the card or --set, {field}" if field == "title" else "spec.scenario",
    )
    _assert_nothing_stored(toy)


def test_secret_in_a_checkpoint_is_refused_until_it_is_unset(toy: Path) -> None:
    assert orchestrate(toy, *QUICK).code == 0
    secret = "after 40 steps"
    answer = orchestrate(toy, "run", "section_7_6", "--json", WANDB_API_KEY=secret)
    _assert_refused(answer, "checkpoint_40_steps.zip", secret, "WANDB_API_KEY")
    assert orchestrate(toy, "run", "section_7_6", "--json").json["steps_start"] == 40


def test_status_works_beside_a_secret(toy: Path) -> None:
    _write_imported(toy, f"K = '{SECRET}'\n")
    assert orchestrate(toy, "status", KAGGLE_KEY=SECRET).code == 0


def test_error_message_masks_the_secret(toy: Path) -> None:
    answer = orchestrate(toy, "run", SECRET, "--json", KAGGLE_KEY=SECRET)
    assert answer.code == 2
    assert SECRET not in answer.out + answer.err and "KAGGLE_KEY" in answer.err


def test_internal_error_report_masks_the_secret(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(toy))
    monkeypatch.setenv("MY_API_TOKEN", SECRET)

    def fail() -> int:
        raise LookupError(f"a request with {SECRET} in it")

    assert run_command(fail, as_json=True) == 3
    report = (toy / ".orchestrator" / "last_error.txt").read_text(encoding="utf-8")
    captured = capsys.readouterr()
    assert "LookupError" in report and "MY_API_TOKEN" in report
    assert SECRET not in report + captured.out + captured.err


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackKaggle]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as service:
        service.accounts.add(USER, key=KEY)
        yield service


def _run(root: Path) -> str:
    project = Project(code=root, state=root)
    card = load_card(project.cards, "section_7_6")
    clock = ShortSleepClock()
    with assemble(
        project, card, kaggle_backend(KaggleSettings(device="cpu"), clock), Listener(), clock=clock
    ) as context:
        return execute(context, RunRequest(card=card, profile="quick")).end_reason


def test_kaggle_key_in_the_code_is_never_pushed(kaggle: LoopbackKaggle, toy: Path) -> None:
    (toy / SECTION / "own.txt").write_text(f"one\nkey is {KEY}\n", encoding="utf-8")
    with pytest.raises(BadInput, match=r"own\.txt, line 2: the value of KAGGLE_KEY"):
        _run(toy)
    assert not kaggle.journal.of("SaveKernel")
    (toy / SECTION / "own.txt").unlink()
    assert _run(toy) == "finished"


@pytest.mark.parametrize("carrier", ["inline", "dataset"])
def test_kaggle_key_in_a_checkpoint_is_neither_inlined_nor_uploaded(
    kaggle: LoopbackKaggle, toy: Path, carrier: str
) -> None:
    # Trained locally, so that the checkpoint must be sent; padded where it must be too large to inline.
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


def test_an_allowed_finding_is_named_before_the_push(
    toy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    token = "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(toy))
    (toy / SECTION / "own.json").write_text(f'{{"example": "{token}"}}', encoding="utf-8")
    assert main([*QUICK, "--dry-run"]) == 2
    finding = capsys.readouterr().err.partition("(finding ")[2][:12]
    file = (SECTION / "own.json").as_posix()
    entry = f"allowed:\n  - {{file: {file}, finding: '{finding}', reason: of the documentation}}\n"
    (toy / "configs/allowed_secrets.yaml").write_text(entry, encoding="utf-8")
    assert main([*QUICK, "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "Allowed in" in shown and f"{file}, line 1" in shown and "of the documentation" in shown
    assert token not in shown
