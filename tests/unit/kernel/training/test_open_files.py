"""Files that kept objects hold open go on where the checkpoint was saved; their content is not part of the state."""

from __future__ import annotations

import csv
import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest

import orchestrator
from orchestrator.kernel.training.kept_state.comparison import node_digest, same_part
from orchestrator.kernel.training.kept_state.decoder import Decoder
from orchestrator.kernel.training.kept_state.encoder import Encoder
from orchestrator.kernel.training.kept_state.objects.open_files import content_of, put_content, walk


class Journal:
    """Writes a row for each step, as a Monitor does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open("w", encoding="utf-8", newline="\n")
        self.rows = csv.DictWriter(self.file, ["step"])
        self.rows.writeheader()
        self.out = sys.stdout
        self.total = 0

    def add(self, step: int) -> None:
        self.total += step
        self.rows.writerow({"step": step})
        self.file.flush()


def train(folder: Path, until: int, *, lose: int = 0) -> int:
    """Train to a step, lose the work of some more, and return the journal's total."""
    with orchestrator.session(target=until, save_every=5, folder=folder / "run") as run:
        journal = run.keep(journal=Journal(folder / "journal.csv")).journal
        for step in run.steps():
            journal.add(step)
    for step in range(until, until + lose):
        journal.add(step)
    journal.file.close()
    total: int = journal.total
    return total


def test_a_kept_file_goes_on_without_the_rows_of_lost_work(tmp_path: Path) -> None:
    (tmp_path / "straight").mkdir()
    (tmp_path / "cut").mkdir()
    train(tmp_path / "straight", 20)
    train(tmp_path / "cut", 10, lose=4)
    assert train(tmp_path / "cut", 20) == sum(range(20))
    assert (tmp_path / "cut/journal.csv").read_bytes() == (tmp_path / "straight/journal.csv").read_bytes()


def test_an_open_file_is_no_lost_state_and_an_absolute_path_is_that_of_the_new_process(tmp_path: Path) -> None:
    (one, other) = (Journal(tmp_path / name) for name in ("one.csv", "other.csv"))
    one.add(3)
    encoder = Encoder()
    node = encoder.part(one, "journal")
    assert encoder.lost == []
    restored: Any = Decoder(encoder.buffers).part(node, 0, other)
    assert restored is other and (other.total, other.path) == (3, tmp_path / "other.csv")
    again = Encoder()
    found = again.part(other, "journal")
    assert same_part(found, again.buffers, node, encoder.buffers)
    assert node_digest(found, again.buffers) == node_digest(node, encoder.buffers)
    for journal in (one, other):
        journal.file.close()


@pytest.mark.parametrize("mode", ["w", "w+", "a", "wb", "r+"])
def test_a_file_of_every_mode_is_read_and_put_back(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"old\n")
    with path.open(mode) as file:
        put_content(file, b"one\r\ntwo\n")
        file.write(b"three\n" if "b" in mode else "three\n")
        assert content_of(file) == b"one\r\ntwo\nthree\n"
    assert path.read_bytes() == b"one\r\ntwo\nthree\n"


def test_a_file_that_was_moved_away_is_left_alone(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        (tmp_path / "log").rename(tmp_path / "moved")
        (tmp_path / "log").write_text("another")
        assert content_of(file) is None


def test_the_walk_finds_files_in_containers_and_closures_once(tmp_path: Path) -> None:
    # The device has no folder of its own.
    with (tmp_path / "log").open("w") as file, open(os.devnull, "w") as nothing:  # noqa: PTH123
        journal = {"files": [file, (file,)], "write": lambda text: file.write(text), "nothing": nothing}
        found = dict(walk({"journal": journal, "memory": io.StringIO()}))
    assert [place for place, one in found.items() if one is file] == ["journal['files'][0]"]
    assert nothing not in found.values()
