"""Code of a user's own beside the sections: it travels, runs, and changes nothing for other trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import ENTRY, make_toy_project, read_card_file, set_behaviour

CAMPAIGN = """
campaign: both
title: Two sections
backend: local
concurrency: 2
trials:
  first: {section: section_7_6, profile: quick, seeds: 1}
  second: {section: section_8, profile: quick, seeds: 1}
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def add_section(root: Path, entry_point: str, **keys: Any) -> Path:
    """A second card whose entry point is the toy in another place; returns the entry point's file."""
    card = read_card_file(root) | {"section": "section_8", "directory": "section_8", "entry_point": entry_point, **keys}
    del card["environment"], card["criteria"]  # keys of section 7.6's own schema
    (root / "configs/sections/section_8.yaml").write_text(yaml.safe_dump(card, sort_keys=False), encoding="utf-8")
    path = root.joinpath(*entry_point.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ENTRY + "\nimport imported_by_all\n", encoding="utf-8")
    (path.parent / "behaviour.json").write_text("{}", encoding="utf-8")
    (root / "imported_by_all.py").write_text("NAME = 1\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("entry_point", "include"), [("mypackage.deep.train", []), ("mypackage.train", []), ("train", ["behaviour.json"])]
)
def test_a_users_own_code_runs_and_resumes(toy: Path, entry_point: str, include: list[str]) -> None:
    add_section(toy, entry_point, include=include)
    first = orchestrate(toy, "run", "section_8", "--quick", "--json")
    assert (first.code, first.json["steps_done"]) == (0, 40), first.err
    second = orchestrate(toy, "run", "section_8", "--full", "--json")
    assert (second.code, second.json["steps_start"], second.json["resume_grade"]) == (0, 40, "exact"), second.err


def test_a_campaign_of_two_sections_compares_each_trial_with_its_own_code(toy: Path) -> None:
    path = add_section(toy, "mypackage.train")
    (toy / "configs/campaigns").mkdir()
    (toy / "configs/campaigns/both.yaml").write_text(CAMPAIGN, encoding="utf-8")

    def states() -> dict[str, str]:
        answer = orchestrate(toy, "campaign", "status", "both", "--json")
        return {one["trial"].split()[0]: one["state"] for one in answer.json["all_trials"]}

    answer = orchestrate(toy, "campaign", "run", "both", "--every-s", "0.2", "--json")
    assert answer.code == 0 and answer.json["complete"], answer.err
    first, second = states()
    assert states() == {first: "done", second: "done"}
    path.write_text(path.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    assert states() == {first: "done", second: "stale"}
    results = orchestrate(toy, "campaign", "results", "both").out
    assert "section_7_6" in results and "section_8" not in results
    set_behaviour(toy, '{"5": {}}')
    assert states() == {first: "stale", second: "stale"}


def test_a_checkpoint_of_other_code_resumes_as_statistical_with_the_reason(toy: Path) -> None:
    path = add_section(toy, "mypackage.train")
    assert orchestrate(toy, "run", "section_8", "--quick").code == 0
    assert orchestrate(toy, "run", "section_7_6", "--quick").code == 0
    path.write_text(path.read_text(encoding="utf-8") + "# changed\n", encoding="utf-8")
    rows = {row["section"]: row["resume"] for row in orchestrate(toy, "status", "--json").json["models"]}
    assert rows["section_7_6"]["grade"] == "exact" and rows["section_8"]["grade"] == "statistical"
    assert [one["reason"].split(":")[0] for one in rows["section_8"]["reasons"]] == ["Code"]


def test_render_lists_the_files_that_travel_with_their_sizes(toy: Path, tmp_path: Path) -> None:
    path = add_section(toy, "mypackage.train", include=["assets"])
    (toy / "assets").mkdir()
    (toy / "assets/net.npz").write_bytes(bytes(1234))
    answer = orchestrate(toy, "render", "section_8", "--files")
    assert answer.code == 0, answer.err
    *lines, total = answer.out.splitlines()
    sizes = {name: int(size) for size, name in (line.split() for line in lines)}
    assert sizes["assets/net.npz"] == 1234 and sizes["mypackage/train.py"] == path.stat().st_size
    assert {"imported_by_all.py", "mypackage/behaviour.json", "orchestrator/kernel/wire.py"} < set(sizes)
    assert not any(name.startswith(("validation_ch7", "configs")) for name in sizes)
    assert total.split()[:4] == [str(sum(sizes.values())), "bytes", "in", str(len(sizes))]
    assert not (toy / ".orchestrator").exists()
    written = orchestrate(toy, "render", "section_8", "--files", "--output", str(tmp_path / "files.txt"))
    assert written.code == 0 and (tmp_path / "files.txt").read_text(encoding="utf-8") == answer.out


def test_a_broken_import_of_another_section_does_not_hide_the_rest(toy: Path) -> None:
    assert orchestrate(toy, "run", "section_7_6", "--quick").code == 0
    add_section(toy, "mypackage.train").write_text("from .absent import x\n", encoding="utf-8")
    answer = orchestrate(toy, "run", "section_8", "--quick", "--json")
    assert answer.code == 2 and "mypackage/train.py, line 1: " in answer.json["error"] and answer.json["remedy"]
    assert orchestrate(toy, "run", "section_7_6", "--full").code == 0
    assert orchestrate(toy, "status").code == 0


def test_a_users_own_package_declares_keys_of_its_own(toy: Path) -> None:
    path = add_section(toy, "mypackage.train", depth_m=2.0)
    refused = orchestrate(toy, "run", "section_8", "--quick", "--dry-run")
    assert refused.code == 2 and "depth_m: unknown key" in refused.err
    schema = "from dataclasses import dataclass\n\n\n@dataclass(frozen=True)\nclass Schema:\n    depth_m: float\n"
    (path.parent / "schema.py").write_text(schema, encoding="utf-8")
    shown = orchestrate(toy, "run", "section_8", "--quick", "--dry-run", "--json", "--set", "depth_m=3.5")
    assert shown.code == 0, shown.err
    assert shown.json["ticket"]["spec"]["lineage"]["depth_m"] == 3.5
