"""The pictures of a page: what is shown, what is left out and why."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from orchestrator.core.page.source import Source
from orchestrator.stores.reporting import pictures
from orchestrator.stores.reporting.pictures import pictures_in
from tests.doubles.pictures import gif, png

PNG = png()
SOURCE = Source(session="s01", digest="d", command="c")


def plain(text: str) -> str:
    return text


def test_png_gif_and_svg_are_shown_from_any_folder_below(tmp_path: Path) -> None:
    (tmp_path / "data" / "figures").mkdir(parents=True)
    (tmp_path / "data" / "figures" / "curve.PNG").write_bytes(png(b"1"))
    (tmp_path / "crossing.gif").write_bytes(gif())
    (tmp_path / "plan.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><text>key hidden</text></svg>', "utf-8")
    (tmp_path / "table.csv").write_text("a,b", "utf-8")
    found, notes, large = pictures_in([(tmp_path, SOURCE)], lambda text: text.replace("key", "[hidden]"), 4_000_000)
    assert [(one.title, one.media_type) for one in found] == [
        ("crossing", "image/gif"),
        ("curve", "image/png"),
        ("plan", "image/svg+xml"),
    ]
    assert base64.b64decode(found[1].data) == png(b"1") and notes == large == ()
    assert b"[hidden] hidden" in base64.b64decode(found[2].data)


def test_the_largest_are_left_out_first_and_named(tmp_path: Path) -> None:
    for place in range(14):
        (tmp_path / f"p{place:02d}.png").write_bytes(png(bytes(1000 * (place + 1))))
    found, notes, large = pictures_in([(tmp_path, SOURCE)], plain, 4_000_000)
    assert [one.title for one in found] == [f"p{place:02d}" for place in range(12)]
    assert "p13.png" in large[0] and "p12.png" in large[0] and len(large) == 1 and notes == ()
    few, _, (note,) = pictures_in([(tmp_path, SOURCE)], plain, 6_500)
    assert [one.title for one in few] == ["p00", "p01", "p02"] and "and 6 more" in note


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *(("a.png", b"<html>"), ("a.gif", b""), ("a.svg", b"<html>")),
        *(
            ("a.png", png(b"cut")[:-9]),
            ("a.png", png()[:8] + b"\xff" * 50),
            ("a.gif", gif()[:-1]),
            ("a.gif", b"GIF89a"),
        ),
        *(("a.gif", gif(b"\x99")), ("a.gif", gif()[:13] + b"\x21\xfe" + b"\xff" * 300)),
    ],
)
def test_another_kind_of_file_under_the_name_of_a_picture_is_left_out(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    found, (note,), large = pictures_in([(tmp_path, SOURCE)], plain, 4_000_000)
    assert found == large == () and name in note and "s01" in note


def shown(folder: Path) -> bytes:
    (found,), notes, _ = pictures_in([(folder, SOURCE)], plain, 4_000_000)
    assert notes == ()
    return base64.b64decode(found.data)


TEXTS = ((b"tEXt", b"Comment\0KEY=s3cret"), (b"iTXt", b"s3cret"), (b"eXIf", b"s3cret"), (b"zzZz", b"s3cret"))


def test_a_png_is_shown_without_texts_and_what_follows_its_end(tmp_path: Path) -> None:
    seen = (b"gAMA", b"\0\0\xb1\x8f"), (b"tRNS", b"\0\0")
    (tmp_path / "a.png").write_bytes(png(b"pixels", *TEXTS, *seen) + b"s3cret")
    assert shown(tmp_path) == png(b"pixels", *seen)


def test_a_gif_is_shown_without_comments_and_goes_on_repeating(tmp_path: Path) -> None:
    repeats, timing = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0", b"\x21\xf9\x04\0\x0a\0\0\0"
    texts = b"\x21\xfe\x06s3cret\0", b"\x21\xff\x0bXMP DataXMP\x06s3cret\0", b"\x21\x01\x06s3cret\0"
    (tmp_path / "a.gif").write_bytes(gif(repeats, *texts, timing) + b"s3cret")
    assert shown(tmp_path) == gif(repeats, timing)


def test_pictures_inside_an_svg_are_shown_without_metadata_and_other_files_are_not(tmp_path: Path) -> None:
    def link(kind: str, content: bytes) -> str:
        return f'<image href="data:{kind};base64,{base64.b64encode(content).decode()}"/>'

    hidden = link("image/jpeg", b"s3cret"), link("image/png", b"s3cret"), '<image href="data:text/plain,s3cret"/>'
    font, text = "@font-face { src: url(data:font/woff2;base64,AAAA) }", "<text>data:a,b</text>"
    drawn = "<svg>{}{}{}</svg>"
    (tmp_path / "a.svg").write_text(drawn.format(link("image/png", png(b"1", *TEXTS)), "".join(hidden), font + text))
    empty = '<image href="data:,"/>' * 3
    assert shown(tmp_path).decode() == drawn.format(link("image/png", png(b"1")), empty, font + text)


def test_a_link_and_the_curves_of_the_general_report_are_left_out(tmp_path: Path) -> None:
    outside = tmp_path / "secret.png"
    outside.write_bytes(PNG)
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "link.png").symlink_to(outside)
    (folder / "learning_curves.svg").write_text("<svg/>", "utf-8")
    (folder / "trainings.csv").write_text("", "utf-8")
    assert pictures_in([(folder, SOURCE)], plain, 4_000_000) == ((), (), ())
    assert pictures_in([(tmp_path / "absent", SOURCE)], plain, 4_000_000) == ((), (), ())


@pytest.mark.parametrize("when", ["lstat", "read_bytes"])
def test_a_picture_that_vanishes_while_the_page_is_made_is_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(PNG)
    real = getattr(Path, when)

    def vanish(path: Path) -> object:
        if path.name == "a.png":
            path.unlink(missing_ok=True)
        return real(path)

    monkeypatch.setattr(Path, when, vanish)
    found, notes, _ = pictures_in([(tmp_path, SOURCE)], plain, 4_000_000)
    assert [one.title for one in found] == ["b"]
    assert notes == ("The picture a.png of s01 is left out: it cannot be read (No such file or directory).",)


def test_files_that_are_not_looked_at_are_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_MOST_FILES", 2)
    for name in ("1.txt", "2.txt", "a.png"):
        (tmp_path / name).write_bytes(PNG)
    found, notes, _ = pictures_in([(tmp_path, SOURCE), (tmp_path / "absent", SOURCE)], plain, 4_000_000)
    assert len(found) < 2 and notes == ("s01 wrote more than 2 files: pictures are looked for in that many.",)


def test_a_folder_that_cannot_be_read_is_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr("os.scandir", refuse)
    assert pictures_in([(tmp_path, SOURCE)], plain, 4_000_000)[1] == (
        f"Pictures of s01 are left out: {tmp_path.name} cannot be read.",
    )
