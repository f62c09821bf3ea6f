"""What a preflight needs of the machine; injected, so that tests need neither GPU nor pip."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.kernel.environment.requirements import canonical_name
from orchestrator.kernel.environment.subprocesses import Runner, run_bounded


def installed_versions(path: Iterable[str] | None = None) -> dict[str, str]:
    """Version of every distribution that Python finds, by canonical name.

    Args:
        path: Folders to look in; None for `sys.path`.
    """
    versions: dict[str, str] = {}
    for distribution in importlib.metadata.distributions(path=list(sys.path if path is None else path)):
        try:
            name, version = distribution.metadata["Name"], distribution.version
        except (AttributeError, KeyError, OSError, TypeError, ValueError):
            continue  # a folder left behind by a removed package has no metadata
        if name and version:
            versions.setdefault(canonical_name(name), version)  # the first folder wins, as on import
    return versions


def import_also_from(folders: Iterable[Path]) -> None:
    """Append these folders to the import path: at its end, so that they never hide a library of the image."""
    sys.path += [str(folder) for folder in folders]
    importlib.invalidate_caches()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a preflight needs of the machine.

    Attributes:
        run: Runs another program.
        versions: Returns the installed distributions, canonical name -> version.
        import_from: Appends folders to the import path.
        interpreter: Path of the Python that runs the session.
    """

    run: Runner = run_bounded
    versions: Callable[[], Mapping[str, str]] = installed_versions
    import_from: Callable[[Iterable[Path]], None] = import_also_from
    interpreter: str = sys.executable
