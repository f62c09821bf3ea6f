"""The file of justified mutants names lines that exist, each with a reason."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "mutants"


def read(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / name).read_text(encoding="utf-8"))


def test_each_room_and_each_of_its_tests_exist(project_root: Path) -> None:
    for room in read("rooms.toml").values():
        assert all((project_root / path).exists() for path in (room["path"], *room["tests"])), room


def test_each_justified_mutant_changes_lines_that_are_in_its_room(project_root: Path) -> None:
    known = {room["path"] for room in read("rooms.toml").values()}
    entries = read("survivors.toml").get("survivor", [])
    assert all(one["path"] in known and len(one["reason"]) > 20 for one in entries)
    for one in entries:
        lines = {line.strip() for line in (project_root / one["path"]).read_text(encoding="utf-8").splitlines()}
        before = one["change"].partition(" => ")[0]
        assert all(part in lines for part in before.split(" / ")), one
    assert len({(one["path"], one["place"], one["change"]) for one in entries}) == len(entries)


def test_mutants_are_the_changes_that_change_something(tmp_path: Path) -> None:
    pytest.importorskip("cosmic_ray")
    from tests.mutants.mutations import mutants_of

    path = tmp_path / "room.py"
    path.write_text(
        "from __future__ import annotations\n\n\ndef late(now: int | None, end: int) -> bool:\n    return now >= end\n",
        encoding="utf-8",
    )
    assert [(one.place, one.change) for one in mutants_of(path)] == [
        ("late", "return now >= end => return now < end"),
        ("late", "return now >= end => return now > end"),
    ]
