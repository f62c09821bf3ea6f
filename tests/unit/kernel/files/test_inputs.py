"""Inputs are found by size and sha256; their names and folders do not matter."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from pathlib import Path

import pytest

from orchestrator.kernel.files import inputs
from orchestrator.kernel.files.digests import first_fault
from orchestrator.kernel.files.inputs import MAX_LISTED, place_inputs
from orchestrator.kernel.files.scan import survey_mounts
from orchestrator.kernel.outcome import CarrierMissing
from orchestrator.kernel.session.manifest import ERROR_LIMIT_CHARS
from orchestrator.kernel.wire import FileEntry


def _promise(path: str, content: bytes) -> FileEntry:
    return FileEntry(path=path, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _mount(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


MODEL, CARD = b"the model's bytes", b'{"the": "card"}'
PROMISED = (_promise("checkpoints/a.zip", MODEL), _promise("checkpoints/a.json", CARD))


@pytest.mark.parametrize(
    "layout",
    [
        {"ckpt/checkpoints/a.zip": MODEL, "ckpt/checkpoints/a.json": CARD},
        {"datasets/owner/ckpt/0123abcd.bin": MODEL, "datasets/owner/ckpt/4567cdef.bin": CARD},
        {"kernel/section/data/models/checkpoints/a.zip": MODEL, "elsewhere/a (1).json": CARD},
    ],
)
def test_inputs_are_found_in_any_folder_under_any_name(tmp_path: Path, layout: dict[str, bytes]) -> None:
    wrong_but_alike = {"older/a.zip": MODEL[::-1], "older/a.json": b"{}"}
    search = _mount(tmp_path / "input", {**layout, **wrong_but_alike})
    place_inputs(PROMISED, search=(search,), models_dir=tmp_path / "models")
    assert first_fault(PROMISED, tmp_path / "models") is None


def test_several_folders_are_searched_and_one_may_be_missing(tmp_path: Path) -> None:
    carried = _mount(tmp_path / "carried", {"checkpoints/a.zip": MODEL})
    mounted = _mount(tmp_path / "input", {"x.bin": CARD})
    place_inputs(PROMISED, search=(tmp_path / "absent", carried, mounted), models_dir=tmp_path / "models")
    assert first_fault(PROMISED, tmp_path / "models") is None


def test_two_promised_files_may_have_the_same_bytes(tmp_path: Path) -> None:
    twins = (_promise("checkpoints/a.zip", MODEL), _promise("best_model/best_model.zip", MODEL))
    search = _mount(tmp_path / "input", {"once.bin": MODEL})
    place_inputs(twins, search=(search,), models_dir=tmp_path / "models")
    assert first_fault(twins, tmp_path / "models") is None


def test_a_session_without_inputs_searches_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "survey_mounts", lambda roots: pytest.fail("must not look"))
    place_inputs((), search=(tmp_path,), models_dir=tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_only_files_of_a_promised_size_are_hashed_and_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: Counter[str] = Counter()
    real = inputs.sha256_file

    def count(path: Path) -> str:
        hashed[path.name] += 1
        return real(path)

    monkeypatch.setattr(inputs, "sha256_file", count)
    alike = (_promise("x", b"12345678"), _promise("y", b"abcdefgh"))
    files = {"1.bin": b"other ca", "2.bin": b"abcdefgh", "3.bin": b"12345678", "4.bin": b"12345678"}
    search = _mount(tmp_path / "input", {**files, "huge.csv": b"not of that size"})
    place_inputs(alike, search=(search,), models_dir=tmp_path / "models")
    assert hashed == {"1.bin": 1, "2.bin": 1, "3.bin": 1}


def test_missing_inputs_are_reported_with_the_mounted_files(tmp_path: Path) -> None:
    search = _mount(tmp_path / "input", {"ckpt/one.bin": MODEL, "ckpt/two.bin": CARD[::-1]})
    with pytest.raises(CarrierMissing) as missing:
        place_inputs(PROMISED, search=(search,), models_dir=tmp_path / "models")
    text = str(missing.value)
    assert "17 bytes  input/ckpt/one.bin" in text
    assert "1 of 2 promised input(s) not found" in text
    assert text.splitlines()[-1].startswith("  checkpoints/a.json (15 bytes, sha256 ")
    assert text.endswith(", 1 of that size with other bytes)")
    assert not (tmp_path / "models").exists()  # an incomplete set must not look like a checkpoint


def test_the_report_of_missing_inputs_is_bounded_and_lists_the_missing_files(tmp_path: Path) -> None:
    search = _mount(tmp_path / "input", {f"images/{'deep/' * 20}{n:04}.png": b"x" for n in range(200)})
    many = tuple(_promise(f"checkpoints/{n}.zip", b"y" * (n + 2)) for n in range(30))
    with pytest.raises(CarrierMissing) as missing:
        place_inputs(many, search=(search,), models_dir=tmp_path / "models")
    text = str(missing.value)
    assert len(text) < ERROR_LIMIT_CHARS
    assert text.count(".png") == MAX_LISTED
    assert f"and {200 - MAX_LISTED} more" in text
    assert "checkpoints/0.zip" in text and text.endswith("and 20 more")


def test_an_unreadable_file_is_skipped_and_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = inputs.sha256_file

    def refuse(path: Path) -> str:
        if path.name == "locked.bin":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(inputs, "sha256_file", refuse)
    search = _mount(tmp_path / "input", {"locked.bin": MODEL, "card.bin": CARD})
    with pytest.raises(CarrierMissing, match=r"not read: input/locked\.bin: Permission denied"):
        place_inputs(PROMISED, search=(search,), models_dir=tmp_path / "models")
    (search / "second.bin").write_bytes(MODEL)
    place_inputs(PROMISED, search=(search,), models_dir=tmp_path / "models")
    assert first_fault(PROMISED, tmp_path / "models") is None


def test_a_damaged_copy_is_reported_as_carrier_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = _mount(tmp_path / "input", {"a.bin": MODEL, "b.bin": CARD})
    monkeypatch.setattr(inputs.shutil, "copyfile", lambda source, target: Path(target).write_bytes(b"half"))
    with pytest.raises(CarrierMissing, match=r"checkpoints/a\.zip has 4 bytes instead of 17"):
        place_inputs(PROMISED, search=(search,), models_dir=tmp_path / "models")


@pytest.mark.skipif(os.name == "nt", reason="making links needs a right on Windows")
def test_links_are_followed_and_each_real_folder_is_read_once(tmp_path: Path) -> None:
    outside = _mount(tmp_path / "outside", {"a.bin": MODEL})
    search = _mount(tmp_path / "input", {"b.bin": CARD})
    (search / "folder").symlink_to(outside)
    (search / "again").symlink_to(outside)
    (search / "circle").symlink_to(search)
    (search / "nowhere").symlink_to(tmp_path / "nothing")
    found = survey_mounts((search,))
    assert sorted(file.path.name for file in found.files) == ["a.bin", "b.bin"]
    assert "nowhere" in found.skipped[0]
    place_inputs(PROMISED, search=(search,), models_dir=tmp_path / "models")


def test_a_mount_with_too_many_files_is_marked_as_cut(tmp_path: Path) -> None:
    search = _mount(tmp_path / "input", {f"{n}.txt": b"" for n in range(5)})
    assert not survey_mounts((search,), max_files=5).cut
    cut = survey_mounts((search,), max_files=4)
    assert (len(cut.files), cut.cut) == (4, True)
