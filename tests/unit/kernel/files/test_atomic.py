"""Whatever is in the place of a temporary file blocks no write, and nothing is written through a link."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.kernel.files.atomic import write_text
from orchestrator.stores.project import require_writable


def _link_to(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(path.with_name(target))


@pytest.mark.skipif(os.name == "nt", reason="pipes, and links without a privilege")
@pytest.mark.parametrize("make", [os.mkfifo, _link_to("mine.txt"), _link_to("nowhere")], ids=["pipe", "link", "broken"])
def test_what_is_in_the_place_of_a_temporary_file_is_replaced(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    make(tmp_path / ".partial-a.txt")
    make(tmp_path / ".write-probe")
    write_text(tmp_path / "a.txt", "new")
    require_writable(tmp_path)
    assert {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()} == {"a.txt": "new", "mine.txt": "mine"}
