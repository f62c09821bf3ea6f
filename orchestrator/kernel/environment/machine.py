"""The machine under a session, as far as a preflight touches it; injected, so that tests need neither GPU nor pip."""

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
        path: Folders to look in; None for those that imports look in.
    """
    versions: dict[str, str] = {}
    for distribution in importlib.metadata.distributions(path=list(sys.path if path is None else path)):
        try:
            name, version = distribution.metadata["Name"], distribution.version
        except (AttributeError, KeyError, OSError, TypeError, ValueError):
            continue  # a folder left over from a removed package describes nothing, and imports find nothing in it
        if name and version:
            versions.setdefault(canonical_name(name), version)  # an earlier folder hides a later one, as on import
    return versions


def import_also_from(folders: Iterable[Path]) -> None:
    """Let imports look in these folders too, after all others: what the image has is never hidden."""
    sys.path += [str(folder) for folder in folders]
    importlib.invalidate_caches()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a preflight asks the machine for.

    Attributes:
        run: Runs another program.
        versions: Installed distributions, canonical name -> version.
        import_from: Lets imports look in more folders.
        interpreter: The Python that runs the session.
    """

    run: Runner = run_bounded
    versions: Callable[[], Mapping[str, str]] = installed_versions
    import_from: Callable[[Iterable[Path]], None] = import_also_from
    interpreter: str = sys.executable
