"""The storage of the sessions: a folder of any file system of fsspec. The only room that imports it here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from orchestrator.core.errors import BadInput, RemoteUnavailable

_Answer = TypeVar("_Answer")
PACKAGES: Mapping[str, str] = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "az": "adlfs",
}
"""Protocol of an object store, which has no folders to be made -> package of its file system."""
_REMEDY = "Check ray.storage in the section's card, and your access to it; then run the same command again."


class Storage:
    """Files and folders below one folder, by paths relative to it.

    Args:
        fs: A file system of fsspec.
        root: The folder in it.
        url: As in the card, for messages.
    """

    def __init__(self, fs: Any, root: str, url: str) -> None:
        self._fs, self._root, self.url = fs, root.rstrip("/"), url

    def names(self, folder: str = "") -> list[str]:
        """Names of the files and folders directly in a folder; empty if there is none."""
        nothing: list[str] = []
        paths = self._ask(
            lambda: [str(one).rstrip("/") for one in self._fs.ls(self._place(folder), detail=False)], nothing
        )
        # An object store may list the folder itself.
        return sorted(path.rpartition("/")[2] for path in paths if path != self._place(folder))

    def exists(self, path: str) -> bool:
        """Whether a file is there."""
        return self._ask(lambda: bool(self._fs.exists(self._place(path))), False)

    def read(self, path: str) -> bytes | None:
        """Content of a file, None if there is none."""
        return self._ask(lambda: bytes(self._fs.cat_file(self._place(path))), None)

    def write(self, path: str, content: bytes) -> None:
        """Write a small file."""
        with self._faults():
            self._make_folder(path)
            self._fs.pipe_file(self._place(path), content)

    def put(self, source: Path, path: str) -> None:
        """Store a file of this computer."""
        with self._faults():
            self._make_folder(path)
            self._fs.put_file(str(source), self._place(path))

    def get(self, path: str, into: Path) -> bool:
        """Fetch a file into one of this computer; whether it is there.

        Raises:
            OSError: It cannot be written here.
        """
        with into.open("wb") as stream:  # a fault of this computer, not of the storage
            found = self._ask(lambda: self._fs.open(self._place(path), "rb"), None)
            if found is None:
                return False
            with found as source:
                while chunk := self._ask(lambda: source.read(8 << 20), b""):
                    stream.write(chunk)
        return True

    def remove(self, path: str) -> None:
        """Delete a file or a folder with everything in it. Repeatable."""
        self._ask(lambda: self._fs.rm(self._place(path), recursive=True), None)

    @property
    def has_folders(self) -> bool:
        """Whether a file needs its folder first. In an object store this would create a bucket of a misspelt name."""
        return self.url.partition("://")[0] not in PACKAGES

    def _make_folder(self, path: str) -> None:
        if self.has_folders:
            self._fs.makedirs(self._place(path).rpartition("/")[0], exist_ok=True)

    def _place(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    def _ask(self, act: Callable[[], _Answer], absent: _Answer) -> _Answer:
        """The answer, or `absent` where the file or folder is not there."""
        with self._faults():
            try:
                return act()
            except (FileNotFoundError, NotADirectoryError):
                return absent

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except Exception as fault:  # each file system has errors of its own
            line = " ".join(str(fault).split())[:300] or type(fault).__name__
            raise RemoteUnavailable(f"the storage {self.url}: {line}", remedy=_REMEDY, transient=True) from fault


def open_storage(url: str, options: Mapping[str, Any]) -> Storage:
    """The storage at an address.

    Raises:
        RemoteUnavailable: A package that it needs is not installed.
        BadInput: There is no such file system, or an option is wrong.
    """
    try:
        import fsspec
    except ImportError as fault:
        remedy = "Install it: python -m pip install fsspec 'ray[default]'; or choose another backend: --backend local."
        raise RemoteUnavailable("the backend ray needs fsspec, which is not installed", remedy=remedy) from fault
    protocol = url.partition("://")[0]
    try:
        # A listing that is kept would hide what a node has stored meanwhile.
        kept = {"use_listings_cache": False, "skip_instance_cache": True}
        fs, root = fsspec.core.url_to_fs(url, **kept, **options)
    except ImportError as fault:
        package = PACKAGES.get(protocol)
        how = f"python -m pip install {package}, here and on the nodes (ray.pip)" if package else "see fsspec's pages"
        raise RemoteUnavailable(f"the storage {url}: {protocol}:// needs a package: {fault}", remedy=how) from fault
    except (ValueError, TypeError) as fault:
        raise BadInput(f"the storage {url}: {fault}", remedy="Correct ray.storage and ray.storage_options.") from fault
    return Storage(fs, root, url)
