"""Linked and mounted folders of a models directory: each has its own staging and archive, and none is replaced."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.stores.checkpoint.volumes import (
    free_name,
    is_apart,
    move,
    require_readable,
    require_usable,
    volume_of,
    volumes,
    writing,
)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    path = tmp_path / "data/models"
    (path / "checkpoints").mkdir(parents=True)
    (path / "best_model").mkdir()
    return path


def link(path: Path, target: Path) -> None:
    if path.is_dir():
        path.rmdir()
    target.mkdir(parents=True)
    path.symlink_to(target, target_is_directory=True)


def mount(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let a folder and all below it lie on another disk."""
    real = Path.stat

    def stat(self: Path, **more: Any) -> os.stat_result:
        found = real(self, **more)
        if not self.is_relative_to(folder):
            return found
        return os.stat_result((*found[:2], found.st_dev + 1, *found[3:10]))

    monkeypatch.setattr(Path, "stat", stat)


def test_ordinary_folders_are_of_one_volume_beside_the_models_directory(models: Path) -> None:
    assert not any(is_apart(models, part) for part in ("", "checkpoints", "best_model", "absent"))
    (volume,) = volumes(models)
    assert volume == volume_of(models, "checkpoints/a.zip") == volume_of(models, "any")
    assert (volume.root, volume.archives, volume.apart) == (models.parent, models.parent / "archive", False)
    assert volume.staged("s02", "a/b") == models.parent / ".incoming-s02/a/b"
    assert volume.archived("s02", "a/b") == models.parent / "archive/s02/a/b"


def test_a_linked_part_is_a_volume_of_its_own_for_the_files_in_it(models: Path, tmp_path: Path) -> None:
    link(models / "checkpoints", tmp_path / "disk")
    assert is_apart(models, "checkpoints") and not is_apart(models) and not is_apart(models, "best_model")
    inner = volume_of(models, "checkpoints/a.zip")
    assert (inner.root, inner.archives, inner.apart) == (models / "checkpoints", models / "checkpoints/.archive", True)
    for other in ("checkpoints", "best_model/best_model.zip", "any", "checkpoints.txt"):
        assert not volume_of(models, other).apart
    assert [one.apart for one in volumes(models)] == [False, True]


def test_a_linked_models_directory_is_a_volume_and_so_is_a_linked_part_of_it(models: Path, tmp_path: Path) -> None:
    link(models / "best_model", tmp_path / "small")
    (models / "checkpoints").rmdir()
    models.rename(tmp_path / "big")
    models.symlink_to(tmp_path / "big", target_is_directory=True)
    (models / "checkpoints").mkdir()
    assert volume_of(models, "any").root == models
    assert volume_of(models, "checkpoints/a.zip").root == models
    assert volume_of(models, "best_model/best_model.zip").root == models / "best_model"
    assert [one.root for one in volumes(models)] == [models.parent, models, models / "best_model"]


def test_a_link_to_nothing_is_apart_and_no_volume(models: Path, tmp_path: Path) -> None:
    link(models / "checkpoints", tmp_path / "disk")
    (tmp_path / "disk").rmdir()
    assert is_apart(models, "checkpoints")
    assert [one.apart for one in volumes(models)] == [False]


@pytest.mark.parametrize("part", ["", "checkpoints"])
def test_a_mounted_disk_is_apart(models: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    mount(monkeypatch, models / part)
    assert is_apart(models, part)
    assert not is_apart(models, "best_model")
    assert is_apart(models) == (part == "")


def test_a_free_name_gets_the_first_free_number(tmp_path: Path) -> None:
    path = tmp_path / "s02"
    assert free_name(path) == path
    path.mkdir()
    assert free_name(path) == tmp_path / "s02-2"
    (tmp_path / "s02-2").symlink_to(tmp_path / "nowhere")
    assert free_name(path) == tmp_path / "s02-3"


def test_a_move_is_a_rename_into_a_new_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    inode = (tmp_path / "a").stat().st_ino
    move(tmp_path / "a", tmp_path / "new/deep/b")
    assert (tmp_path / "new/deep/b").stat().st_ino == inode and not (tmp_path / "a").exists()
    move(tmp_path / "new/deep", tmp_path / "new/moved")
    assert (tmp_path / "new/moved/b").read_bytes() == b"x"


def refuse_renames(monkeypatch: pytest.MonkeyPatch, code: int, source: Path) -> None:
    real = os.replace

    def replace(a: Any, b: Any) -> None:
        if Path(a) == source:
            raise OSError(code, os.strerror(code), str(a))
        real(a, b)

    monkeypatch.setattr(os, "replace", replace)


def test_across_disks_a_file_is_copied_and_then_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x")
    refuse_renames(monkeypatch, errno.EXDEV, tmp_path / "a")
    move(tmp_path / "a", tmp_path / "disk/b")
    assert (tmp_path / "disk/b").read_bytes() == b"x" and not (tmp_path / "a").exists()


def test_across_disks_a_link_stays_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "target").write_bytes(b"x")
    (tmp_path / "a").symlink_to(tmp_path / "target")
    refuse_renames(monkeypatch, errno.EXDEV, tmp_path / "a")
    move(tmp_path / "a", tmp_path / "disk/b")
    assert (tmp_path / "disk/b").readlink() == tmp_path / "target" and (tmp_path / "target").read_bytes() == b"x"
    assert not (tmp_path / "a").is_symlink()


@pytest.mark.parametrize("target", ["nowhere", "folder", "../nowhere", "a"])
def test_across_disks_every_link_stays_a_link(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dangling one, one to a folder, a relative one, and one to itself."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/own").write_bytes(b"x")
    (tmp_path / "a").symlink_to(target)
    refuse_renames(monkeypatch, errno.EXDEV, tmp_path / "a")
    move(tmp_path / "a", tmp_path / "disk/b")
    assert (tmp_path / "disk/b").readlink() == Path(target) and not (tmp_path / "a").is_symlink()
    assert (tmp_path / "folder/own").read_bytes() == b"x" and len(list((tmp_path / "disk").iterdir())) == 1


def test_across_disks_a_file_keeps_its_time_and_its_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x")
    os.utime(tmp_path / "a", ns=(10**18, 10**18))
    (tmp_path / "a").chmod(0o444)
    before = (tmp_path / "a").stat()
    refuse_renames(monkeypatch, errno.EXDEV, tmp_path / "a")
    move(tmp_path / "a", tmp_path / "disk/b")
    after = (tmp_path / "disk/b").stat()
    assert (after.st_mtime_ns, after.st_mode) == (before.st_mtime_ns, before.st_mode)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has neither")
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_across_disks_a_pipe_or_a_socket_stays_with_one_clear_line(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("a") if kind == "socket" else os.mkfifo("a")
        move(Path("a"), Path("beside"))
        refuse_renames(monkeypatch, errno.EXDEV, Path("beside"))
        with pytest.raises(BadInput, match="beside cannot be changed: a pipe, a socket") as fault, writing(tmp_path):
            move(Path("beside"), Path("disk/b"))
    assert "move it away yourself" in fault.value.remedy and "nothing is lost" in fault.value.remedy
    assert os.path.lexists("beside") and not list(Path("disk").iterdir())


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES])
def test_across_disks_what_cannot_be_removed_is_not_doubled(
    code: int, link: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, real = tmp_path / "a", Path.unlink
    source.symlink_to("nowhere") if link else source.write_bytes(b"x")
    refuse_renames(monkeypatch, errno.EXDEV, source)

    def unlink(self: Path, missing_ok: bool = False) -> None:
        if self == source:
            raise OSError(code, os.strerror(code), str(self))
        real(self, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    with pytest.raises(BadInput, match=f"a cannot be changed: {os.strerror(code)}") as fault, writing(tmp_path):
        move(source, tmp_path / "disk/b")
    assert ("chattr -i" in fault.value.remedy) == (code == errno.EPERM)
    assert os.path.lexists(source) and not list((tmp_path / "disk").iterdir())


@pytest.mark.skipif(sys.platform != "linux" or not Path("/dev/shm").is_dir(), reason="needs chattr and two disks")
@pytest.mark.parametrize("across", [False, True])
def test_an_immutable_file_is_never_lost(across: bool, tmp_path: Path) -> None:
    source = tmp_path / "a"
    source.write_bytes(b"x")
    if subprocess.run(["chattr", "+i", str(source)], check=False, capture_output=True).returncode:
        pytest.skip("needs the right to set this flag, and a disk that has it")
    try:
        with tempfile.TemporaryDirectory(dir="/dev/shm" if across else tmp_path) as place:
            with pytest.raises(BadInput, match="a cannot be changed: Operation") as fault, writing(tmp_path):
                move(source, Path(place) / "b")
            assert "chattr -i" in fault.value.remedy
            assert source.read_bytes() == b"x" and not list(Path(place).iterdir())
    finally:
        subprocess.run(["chattr", "-i", str(source)], check=True)


def test_across_disks_a_folder_is_not_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    refuse_renames(monkeypatch, errno.EXDEV, tmp_path / "a")
    with pytest.raises(OSError, match="cross-device"):
        move(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").is_dir() and not (tmp_path / "b").exists()


def test_another_refusal_of_a_rename_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x")
    refuse_renames(monkeypatch, errno.EACCES, tmp_path / "a")
    with pytest.raises(PermissionError):
        move(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "a").exists() and not (tmp_path / "b").exists()


def test_a_usable_directory_is_one_that_is_there_or_absent(models: Path, tmp_path: Path) -> None:
    require_usable(models)
    require_usable(tmp_path / "absent/models")
    (models.parent / "archive").mkdir()
    before = sorted(tmp_path.rglob("*"))
    require_usable(models)
    assert sorted(tmp_path.rglob("*")) == before, "the check writes nothing"


def test_a_file_in_the_place_of_an_archive_is_refused(models: Path, tmp_path: Path) -> None:
    link(models / "checkpoints", tmp_path / "disk")
    (models / "checkpoints/.archive").write_bytes(b"x")
    with pytest.raises(BadInput, match=r"\.archive is not a folder"):
        require_usable(models)
    require_readable(models)


def test_a_link_to_a_missing_disk_is_refused(models: Path, tmp_path: Path) -> None:
    link(models / "best_model", tmp_path / "disk")
    require_readable(models)
    (tmp_path / "disk").rmdir()
    with pytest.raises(BadInput, match="which is not there"):
        require_readable(models)


def test_a_file_in_the_place_of_the_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "models").write_bytes(b"x")
    with pytest.raises(BadInput, match="is a file"):
        require_usable(tmp_path / "models")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_left_to_the_caller(models: Path, code: int) -> None:
    with pytest.raises(OSError), writing(models):
        raise OSError(code, "full")


def test_a_refused_write_names_the_file_and_the_cause(models: Path) -> None:
    with pytest.raises(BadInput, match=r"^there cannot be changed: Permission denied$"), writing(models):
        raise OSError(errno.EACCES, "Permission denied", "there")
    with pytest.raises(BadInput, match=r"models cannot be changed: odd$"), writing(models):
        raise OSError("odd")
