"""A deterministic zip of a set of files."""

from __future__ import annotations

import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.session.zip_archive import pack

_PART = st.text("abcdefghijklmnopqrstuvwxyz0123456789_.", min_size=1, max_size=12).filter(lambda part: part.strip("."))
_FILES = st.dictionaries(st.lists(_PART, min_size=1, max_size=3).map("/".join), st.binary(max_size=200), max_size=8)


@given(_FILES, st.randoms())
def test_equal_files_give_equal_bytes_in_any_order_and_unpack_unchanged(files: dict[str, bytes], draw: object) -> None:
    shuffled = list(files.items())
    draw.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' own Random
    archive = pack(shuffled)
    assert archive == pack(files.items())
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == files


def test_two_files_with_the_same_path_are_refused() -> None:
    with pytest.raises(ValueError, match="same path"):
        pack([("checkpoints/a.zip", b"1"), ("checkpoints/a.zip", b"2")])
