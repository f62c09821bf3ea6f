"""One zip serves all sessions of a kernel, each once; a bad one serves none of them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.session import output_zip
from orchestrator.backends.kaggle.session.output_zip import PackZips
from orchestrator.kernel.wire import member_folder


class Zips:
    """Kaggle's zips: content by session id; counts the requests."""

    def __init__(self, content: dict[int, bytes]) -> None:
        self.content, self.asked = content, list[int]()

    @contextmanager
    def output_zip(self, session_id: int) -> Iterator[Iterator[bytes]]:
        self.asked.append(session_id)
        if session_id not in self.content:
            raise ServiceFault("not offered", message="", status=404)
        yield iter([self.content[session_id][:50], self.content[session_id][50:]])


def zipped(*members: int) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number in members:
            archive.writestr(f"{member_folder(number)}/a.txt", f"of {number}")
            archive.writestr(f"{member_folder(number)}/b/c.txt", f"deep of {number}")
        archive.writestr("a.txt", "of the kernel")
    return made.getvalue()


WANTED = ("a.txt", "b/c.txt", "absent.txt")


def bench(content: dict[int, bytes]) -> tuple[Zips, PackZips]:
    api = Zips(content)
    return api, PackZips(cast(KaggleApi, api))


def fetched(zips: PackZips, folder: Path, member: int, *, session_id: int = 7, wanted: Sequence[str] = WANTED) -> bool:
    """Whether a session had its own files, all of them; none if not."""
    into = folder / f"member{member}"
    into.mkdir(parents=True, exist_ok=True)
    taken = zips.fetch(session_id, member, 2, wanted, {}, into)
    here = {path.relative_to(into).as_posix(): path.read_text("utf-8") for path in into.rglob("*") if path.is_file()}
    assert taken <= set(here)
    if taken:
        assert here == {"a.txt": f"of {member}", "b/c.txt": f"deep of {member}"}
    return bool(taken)


def test_each_session_has_its_own_files_from_one_zip(tmp_path: Path) -> None:
    api, zips = bench({7: zipped(1, 2)})
    assert fetched(zips, tmp_path, 2) and fetched(zips, tmp_path, 1)
    assert api.asked == [7]
    assert fetched(zips, tmp_path, 1) and api.asked == [7, 7]  # it is not kept once all have had theirs


def test_a_session_that_asks_again_gets_a_new_zip(tmp_path: Path) -> None:
    """Outputs that came late are not in the old one."""
    api, zips = bench({7: zipped(1)})
    assert fetched(zips, tmp_path, 1)
    api.content[7] = zipped(1, 2)
    assert fetched(zips, tmp_path, 1) and fetched(zips, tmp_path, 2)
    assert api.asked == [7, 7]


def test_another_kernel_has_another_zip(tmp_path: Path) -> None:
    api, zips = bench({7: zipped(1, 2), 8: zipped(1, 2)})
    assert fetched(zips, tmp_path / "x", 1) and fetched(zips, tmp_path / "y", 1, session_id=8)
    assert fetched(zips, tmp_path / "x", 2) and api.asked == [7, 8, 7]


@pytest.mark.parametrize("content", [b"", b"<html>", zipped(1, 2)[:80]], ids=["empty", "html", "half"])
def test_a_bad_zip_gives_nothing_and_is_not_kept(tmp_path: Path, content: bytes) -> None:
    api, zips = bench({7: content})
    assert not fetched(zips, tmp_path, 1)
    api.content[7] = zipped(1, 2)
    assert fetched(zips, tmp_path, 1) and api.asked == [7, 7]


def test_a_refused_or_too_large_zip_gives_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, zips = bench({7: zipped(1, 2)})
    assert not fetched(zips, tmp_path, 1, session_id=9)
    monkeypatch.setattr(output_zip, "MOST_BYTES", 60)
    assert not fetched(zips, tmp_path, 1)


def test_nothing_beside_the_wanted_files_is_written_and_no_zip_stays(tmp_path: Path) -> None:
    _, zips = bench({7: zipped(1, 2)})
    into = tmp_path / "into"
    into.mkdir()
    assert zips.fetch(7, 1, 2, ["a.txt"], {}, into) == {"a.txt"}
    assert [path.name for path in tmp_path.rglob("*")] == ["into", "a.txt"]
