"""A tar from outside: what it holds, or one error."""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import PurePosixPath

import pytest

from orchestrator.kernel.reading.json_text import Unreadable
from orchestrator.kernel.reading.tar import read_tar


def _tar(*members: tuple[str, bytes, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, kind, content in members:
            one = tarfile.TarInfo(name)
            one.type, one.size, one.linkname = kind, len(content), "/etc/passwd"
            tar.addfile(one, io.BytesIO(content))
    return stream.getvalue()


GOOD = _tar(("a", tarfile.DIRTYPE, b""), ("a/\u00e9.json", tarfile.REGTYPE, b"{}"), ("a/empty", tarfile.REGTYPE, b""))


def test_files_and_folders() -> None:
    expected = [(PurePosixPath("a"), None), (PurePosixPath("a/\u00e9.json"), b"{}"), (PurePosixPath("a/empty"), b"")]
    assert list(read_tar(GOOD, "t")) == expected
    assert list(read_tar(_tar(), "t")) == []


def test_names_of_any_length() -> None:
    deep = "/".join(["x" * 90] * 4)
    assert list(read_tar(_tar((deep, tarfile.REGTYPE, b"1" * 600)), "t")) == [(PurePosixPath(deep), b"1" * 600)]


def test_what_leads_elsewhere_is_left_out() -> None:
    links = [("l", tarfile.SYMTYPE, b""), ("h", tarfile.LNKTYPE, b""), ("p", tarfile.FIFOTYPE, b"")]
    paths = [("/etc/x", tarfile.REGTYPE, b"1"), ("a/../../x", tarfile.REGTYPE, b"1")]
    assert list(read_tar(_tar(*links, *paths), "t")) == []


@pytest.mark.parametrize("length", [0, 1, 512, 700, 1024, 1500, 2048])
def test_a_tar_that_is_cut_off(length: int) -> None:
    with pytest.raises(Unreadable, match=r"is cut off|is damaged"):
        list(read_tar(GOOD.rstrip(b"\0")[:length] + b"x", "t"))


@pytest.mark.parametrize(
    "field", ["-0000000001", "\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff", "77777777777"]
)
def test_an_impossible_size_is_refused(field: str) -> None:
    content = bytearray(_tar(("x", tarfile.REGTYPE, b"1")))
    content[124:135] = field.encode("latin-1")
    content[148:156] = b" " * 8
    content[148:156] = f"{sum(content[:512]):06o}\0 ".encode()
    with pytest.raises(Unreadable):
        list(read_tar(bytes(content), "t"))


def test_hostile_bytes_are_read_or_refused() -> None:
    draw, refused = random.Random(1), 0
    for _ in range(300):
        content = bytearray(GOOD)
        for _ in range(draw.randint(1, 5)):
            content[draw.randrange(1536)] = draw.randrange(256)
        try:
            list(read_tar(bytes(content), "t"))
        except Unreadable:
            refused += 1
    assert refused > 100
