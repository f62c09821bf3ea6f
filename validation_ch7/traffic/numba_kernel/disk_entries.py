"""The entries of the disk cache: one folder for each content of the package.

Numba's own cache detects a change of a function's file, but not of the functions that it calls.

Source of the extended classes: numba, `numba.core.caching`.
"""

from __future__ import annotations

import hashlib
import importlib
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import numba

# Numba has no types.
_CACHING: Any = importlib.import_module("numba.core.caching")
_USER_FOLDER: Any = importlib.import_module("numba.misc.appdirs").user_cache_dir
_SETTINGS: Any = numba.config

_N_DIGEST_BYTES = hashlib.sha256().digest_size


@cache
def _package_digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digests = [f"{source.name} {hashlib.sha256(source.read_bytes()).hexdigest()}\n" for source in sources]
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:32]


def folder() -> Path:
    """The folder of this content of the package, for this version of numba."""
    parent = _SETTINGS.CACHE_DIR or _USER_FOLDER(appname="numba", appauthor=False)
    return Path(parent) / f"numba_kernel-{numba.__version__}-{_package_digest()}"


class _PackageLocator:
    """Numba's interface of a locator."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._py_file = function.__code__.co_filename  # numba names it in its warnings

    def ensure_cache_path(self) -> None:
        """Create the folder."""
        folder().mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        """The folder of all functions of this content of the package."""
        return str(folder())

    def get_source_stamp(self) -> str:
        """The digest of the package: another one makes an entry void."""
        return _package_digest()

    def get_disambiguator(self) -> str:
        """Distinguishes functions of the same name in one file."""
        return str(self._function.__code__.co_firstlineno)


class _PackageEntries(_CACHING.CompileResultCacheImpl):  # type: ignore[misc]  # numba has no types
    """Entries in this package's folder, whatever locators numba is configured with."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._lineno = function.__code__.co_firstlineno
        self._locator = _PackageLocator(function)
        self._filename_base = self.get_filename_base(
            f"{Path(function.__code__.co_filename).stem}.{function.__name__}", getattr(sys, "abiflags", "")
        )


class _CheckedFile(_CACHING.IndexDataCacheFile):  # type: ignore[misc]  # numba has no types
    """A file of machine code begins with its digest, and holds the signature that it is for.

    After a power cut, damaged code would crash the process. Numba writes the index before the code: after a failure
    between the two, or two writers at once, the index can name code of another signature.
    """

    def save(self, key: object, data: object) -> None:
        super().save(key, (key, data))

    def load(self, key: object) -> object:
        found = super().load(key)
        return found[1] if found is not None and found[0] == key else None

    def _save_data(self, name: str, data: object) -> None:
        content = self._dump(data)
        with self._open_for_write(self._data_path(name)) as file:
            file.write(hashlib.sha256(content).digest() + content)

    def _load_data(self, name: str) -> object:
        raw = Path(self._data_path(name)).read_bytes()
        digest, content = raw[:_N_DIGEST_BYTES], raw[_N_DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            raise OSError(f"{name} is damaged")  # numba compiles again, and replaces the file
        return pickle.loads(content)  # noqa: S301  # of the user's own folder, as numba does


class PackageCache(_CACHING.FunctionCache):  # type: ignore[misc]  # numba has no types
    """Compiles where the disk fails, since a training does not need the disk for its code."""

    _impl_class = _PackageEntries

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        base = self._impl.filename_base
        self._cache_file = _CheckedFile(self._cache_path, base, self._impl.locator.get_source_stamp())

    def load_overload(self, sig: object, target_context: object) -> object:
        """The code of a signature; None if there is none, or none that can be read."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a damaged index can raise anything
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: object, data: object) -> None:
        """Keep the code of a signature, if the disk allows it."""
        with suppress(Exception):  # a full disk, a folder without permission: it is compiled again next time
            super().save_overload(sig, data)
