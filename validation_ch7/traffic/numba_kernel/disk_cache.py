"""Where numba may keep the compiled code of this package on disk.

Off unless `NUMBA_CACHE_LOCATOR_CLASSES` begins with `LOCATOR` and `NUMBA_CACHE_DIR` names a folder.
Compiling takes about 5 s in each process, which counts when many short ones run on one computer.

Numba's own locators detect a change of a function's file, but not of the functions that it calls. This one has a folder
for each content of the package. Source: numba, "Customizing the cache" (`NUMBA_CACHE_LOCATOR_CLASSES`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numba

LOCATOR = f"{__name__}.PackageLocator"
_SETTINGS: Any = numba.config  # its attributes are set when numba reads the environment


def cache_is_wanted() -> bool:
    """Whether both variables are set."""
    return _SETTINGS.CACHE_LOCATOR_CLASSES.split(",")[0] == LOCATOR and bool(_SETTINGS.CACHE_DIR)


@cache
def _package_digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    digests = [f"{source.name} {hashlib.sha256(source.read_bytes()).hexdigest()}\n" for source in sources]
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:32]


class PackageLocator:
    """Numba's interface of a locator; one folder holds all functions of one content of the package."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    @classmethod
    def from_function(cls, function: Callable[..., Any], source_path: str) -> PackageLocator | None:
        """The locator of a function of this package; None for another one, which numba's next locator takes."""
        return cls(function) if Path(source_path).parent == Path(__file__).parent else None

    def ensure_cache_path(self) -> None:
        """Create the folder."""
        Path(self.get_cache_path()).mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        """The folder."""
        return str(Path(_SETTINGS.CACHE_DIR) / _package_digest())

    def get_source_stamp(self) -> str:
        """The digest of the package: another one makes an entry void."""
        return _package_digest()

    def get_disambiguator(self) -> str:
        """Distinguishes functions of the same name in one file."""
        return str(self._function.__code__.co_firstlineno)
