"""`why` after sessions on the loopback service: its refusals, its time limit, a lost process, a session in flight."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli.main import main
from orchestrator.core.errors import NotYet
from tests.acceptance.test_kaggle_damaged_outputs import KaggleProject
from tests.doubles.kaggle_side import KEY, USER, far_settings, point_at_loopback
from tests.doubles.toy_section import make_toy_project, set_behaviour
from tests.emulator.loopback import loopback_kaggle


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleProject]:
    point_at_loopback(monkeypatch)
    monkeypatch.setenv("ORCHESTRATOR_ROOT", str(tmp_path / "project"))
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings(offers_zip=False)) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        yield KaggleProject(make_toy_project(tmp_path / "project"), kaggle)


def examined(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["why", *words, "--json"]) == 0
    plain: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return plain


@pytest.mark.parametrize(
    ("limit", "verdict", "text"),
    [
        ({"gpu_sessions": 0}, "cap", "Maximum batch GPU session count of 0 reached"),
        ({"gpu_used": timedelta(hours=30)}, "quota", "Maximum weekly GPU quota of 30.00 hours reached"),
    ],
)
def test_the_services_refusals_have_their_own_verdicts(
    project: KaggleProject, capsys: pytest.CaptureFixture[str], limit: dict[str, Any], verdict: str, text: str
) -> None:
    for name, value in limit.items():
        setattr(project.kaggle.settings, name, value)
    with pytest.raises(NotYet):
        project.step(starts=True)
    found = examined(capsys)
    assert found["verdict"] == verdict
    assert text in found["evidence"][0]["text"] and "problems" in found["evidence"][0]["source"]


def test_sessions_that_fail_paused_or_finish(project: KaggleProject, capsys: pytest.CaptureFixture[str]) -> None:
    set_behaviour(project.root, '{"*": {"do": "vanish"}}')
    assert project.run().end_reason == "stuck"
    lost = examined(capsys)
    assert lost["verdict"] == "unknown"  # the service says only ERROR, and the log names no error
    assert lost["command"].endswith("--ask")
    assert examined(capsys, "--ask")["evidence"][0] == {"source": "backend, state now", "text": "ERROR"}
    set_behaviour(project.root, '{"*": {"do": "raise"}}')
    assert project.run().end_reason == "section_failed"
    assert examined(capsys)["sentence"].endswith("RuntimeError: the toy failed on purpose")
    set_behaviour(project.root, "{}")
    assert project.run().end_reason == "finished"
    assert examined(capsys)["verdict"] == "target_reached"


def test_the_time_limit_of_the_service_is_the_wall(project: KaggleProject, capsys: pytest.CaptureFixture[str]) -> None:
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    text = entry.read_text(encoding="utf-8").replace(
        "    score = None\n", "    import time; time.sleep(60)\n    score = None\n", 1
    )
    entry.write_text(text, encoding="utf-8")
    project.kaggle.settings.limit_scale = 1e-9
    assert project.run().end_reason == "stuck"
    found = examined(capsys)
    assert (found["verdict"], found["rule"]) == ("wall", "kernel_ending")


def test_a_session_in_flight_is_not_judged_and_no_request_is_made(
    project: KaggleProject, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert project.step(starts=True).handle is not None
    project.kaggle.journal.clear()
    found = examined(capsys)
    assert (found["verdict"], project.kaggle.journal.entries) == ("unknown", [])
    assert found["sentence"] == "unknown: not ended: it is in flight"
    assert found["command"] == "python -m orchestrator run section_7_6 --quick --backend kaggle"
    monkeypatch.delenv("KAGGLE_KEY")
    monkeypatch.setenv("HOME", str(project.root))
    away = examined(capsys, "--ask")
    assert away["unread"][0].startswith("kaggle could not be asked: ")
