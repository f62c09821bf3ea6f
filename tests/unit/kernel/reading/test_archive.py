"""A zip from outside is read within its limits; whatever is wrong with it is one error that names the file."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable

import pytest

from orchestrator.kernel.reading.archive import Archive, open_archive
from orchestrator.kernel.reading.json_text import Unreadable


def zipped(method: int = zipfile.ZIP_DEFLATED, **members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def patched(content: bytes, offset: int, value: int, form: str = "<H") -> bytes:
    """A zip whose table of members has another number at an offset of its first entry."""
    place = content.rfind(b"PK\x01\x02") + offset
    return content[:place] + struct.pack(form, value) + content[place + struct.calcsize(form) :]


def read_all(content: bytes, most_bytes: int = 1 << 20) -> dict[str, bytes]:
    with open_archive(content, "a.zip", most_bytes) as archive:
        return {name: archive.read(name) for name in archive}


def twice() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", b"2")
    return stream.getvalue()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_are_read_whatever_their_method(method: int) -> None:
    members = {"a": b"1" * 5000, "b": b""}
    content = zipped(method, **members)
    assert read_all(content) == members
    with open_archive(content, "a.zip", 1 << 20) as archive:
        assert b"".join(archive.chunks("a")) == members["a"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (lambda: b"", "no zip file"),
        (lambda: b"hello" * 100, "no zip file"),
        (lambda: zipped(a=b"1" * 500)[:-30], "no zip file"),
        (lambda: b"PK\x05\x06" + b"\xff" * 18, "members in a table of"),
        (twice, "two of its members have the same name"),
        (lambda: patched(zipped(a=b"1"), 8, 1), "'a' is encrypted"),
        (lambda: patched(zipped(a=b"1"), 10, 99), "'a' is compressed by the unknown method 99"),
        (lambda: zipped(a=b"1" * (1 << 20), b=b"1"), "it would unpack to 1048577 bytes; 1048576 are allowed"),
        (lambda: patched(zipped(a=b"12345"), 16, 0, "<I"), "'a' is damaged: Bad CRC-32"),
        (lambda: zipped(a=b"1" * 500).replace(b"PK\x03\x04", b"PK\x03\x05", 1), "'a' is damaged"),
    ],
)
def test_a_zip_that_cannot_be_read_is_one_error(content: Callable[[], bytes], fault: str) -> None:
    with pytest.raises(Unreadable, match=r"^a\.zip cannot be read: ") as caught:
        read_all(content())
    assert fault in str(caught.value)


def test_a_member_that_lies_about_its_size_takes_no_memory() -> None:
    bomb = patched(zipped(a=b"0" * 30_000_000), 24, 10, "<I")
    tracemalloc.start()
    with pytest.raises(Unreadable, match="'a' is damaged"):
        read_all(bomb)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5_000_000


def test_a_missing_or_too_large_member_is_named() -> None:
    def archive_of(use: Callable[[Archive], object]) -> str:
        with pytest.raises(Unreadable) as caught, open_archive(zipped(a=b"123"), "a.zip", 100) as archive:
            use(archive)
        return str(caught.value)

    assert archive_of(lambda one: one.read("b")) == "a.zip cannot be read: 'b' is missing"
    assert archive_of(lambda one: one.read("a", 2)) == "a.zip cannot be read: 'a' is larger than 2 bytes"


def test_a_member_before_the_file_is_damage() -> None:
    content = zipped(a=b"1" * 50)
    end = content.rfind(b"PK\x05\x06")
    (start,) = struct.unpack_from("<I", content, end + 16)
    moved = content[: end + 16] + struct.pack("<I", start + 40) + content[end + 20 :]  # so all offsets are 40 too low
    with pytest.raises(Unreadable, match=r"^a\.zip cannot be read: 'a' is damaged"):
        read_all(moved)
