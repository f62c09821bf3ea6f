"""Section 7.3, which trains nothing: it runs once, is finished, and every command shows it sensibly."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from orchestrator.stores.section.card_yaml import load_card
from orchestrator.stores.session.code_bundle import CodeStore
from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import orchestrate

RUN = ("run", "section_7_3", "--quick")
PICTURES = {"fig_riemann.png", "fig_convergence.png", "fig_equilibrium.png", "fig_signal.png"}


def make_project(root: Path) -> Path:
    unwanted = shutil.ignore_patterns("__pycache__", "data", "trials")
    for name in ("configs", "validation_ch7"):
        shutil.copytree(PROJECT_ROOT / name, root / name, ignore=unwanted)
    return root


def test_it_runs_once_and_is_finished(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    first = orchestrate(root, *RUN, "--json")
    assert first.code == 0, first.err
    ended = first.json
    assert (ended["end_reason"], ended["verdict"], ended["sessions"]) == ("finished", "supported", 1)
    assert (ended["steps_done"], ended["target_steps"], ended["problems"]) == (0, None, [])
    assert ended["verdict_reasons"][0].startswith("The solver meets all")
    folder = root / ended["results_dir"]
    manifest = json.loads((folder / "session_manifest.json").read_text(encoding="utf-8"))
    data = folder / "section_7_3_analytical/data/metrics"
    nonce = manifest["stamp"]["nonce"]
    for path in data.iterdir():
        assert nonce in path.read_text(encoding="utf-8"), path.name
    rows = list(csv.DictReader(io.StringIO((data / "analytical_validation.csv").read_text(encoding="utf-8"))))
    assert len(rows) >= 80 and {row["passes"] for row in rows} == {"True"}
    assert {path.name for path in folder.rglob("*.png")} == PICTURES

    again = orchestrate(root, *RUN)
    assert again.code == 0 and "Already finished; --fresh runs it again" in again.out, again.out
    assert "Verdict: supported" in again.out
    assert "supported" in orchestrate(root, "status", "section_7_3").out


def test_what_it_carries_is_the_solver_and_no_training_library() -> None:
    names = set(CodeStore(PROJECT_ROOT).bundle(load_card(PROJECT_ROOT / "configs/sections", "section_7_3")).names)
    assert "validation_ch7/traffic/numba_kernel/cells.py" in names
    assert "validation_ch7/section_7_3_analytical/requirements.txt" in names
    assert not [name for name in names if name.startswith("orchestrator/sb3/") or "section_7_6" in name]


@pytest.mark.prove
def test_the_full_profile_runs_after_the_quick_one_and_fresh_repeats_it(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    quick = orchestrate(root, *RUN, "--json").json
    full = orchestrate(root, "run", "section_7_3", "--json").json
    report = orchestrate(root, "report", "section_7_3")
    assert report.code == 0 and "riemann.order" in report.out, report.err
    assert orchestrate(root, "why", "section_7_3").code == 0
    assert (full["profile"], full["sessions"], full["verdict"]) == ("full", 1, "supported")
    assert full["results_dir"] != quick["results_dir"]
    assert orchestrate(root, "run", "section_7_3", "--json").json["sessions"] == 0
    fresh = orchestrate(root, *RUN, "--fresh", "--json").json
    assert (fresh["sessions"], fresh["verdict"]) == (1, "supported")

    def numbers(answer: dict[str, str]) -> list[tuple[str, ...]]:
        path = root / answer["results_dir"] / "section_7_3_analytical/data/metrics/analytical_validation.csv"
        with path.open(encoding="utf-8", newline="") as stream:
            return [(row["check"], row["case"], row["quantity"], row["value"]) for row in csv.DictReader(stream)]

    assert numbers(fresh) == numbers(quick)


@pytest.mark.prove
def test_a_wrong_solver_ends_not_supported(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    cells = root / "validation_ch7/traffic/numba_kernel/cells.py"
    code = cells.read_text(encoding="utf-8")
    assert code.count("rho[lane] = new\n") == 2
    cells.write_text(code.replace("rho[lane] = new\n", "rho[lane] = new * 0.999999\n"), encoding="utf-8")
    answer = orchestrate(root, *RUN, "--json")
    assert (answer.json["end_reason"], answer.json["verdict"]) == ("finished", "not_supported"), answer.err
    assert any("conservation, crossing, vehicles" in reason for reason in answer.json["verdict_reasons"])
