"""A section's libraries beyond the standard library: a `requirements.txt` beside its entry point or script."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from orchestrator.kernel.outcome import SessionRefused

REQUIREMENTS_NAME = "requirements.txt"

_PIN = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.!+_-]+)")


def canonical_name(name: str) -> str:
    """The normalized spelling of a distribution's name.

    Source: Python packaging specifications, "Names and normalization".
    """
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One distribution with its exact version; the name is canonical."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"

    def is_met_by(self, version: str) -> bool:
        """Whether an installed version is the pinned one or a build of it (`2.6.0+cu124`)."""
        return version == self.version or version.split("+")[0] == self.version


def requirements_of(bundle_root: Path, folder: PurePosixPath) -> tuple[Requirement, ...]:
    """The requirements of a section; none if it has no such file.

    Args:
        bundle_root: Root of the unpacked code.
        folder: Folder of the section's code below it.

    Raises:
        SessionRefused: A line is not `name==version`.
    """
    path = bundle_root / folder / REQUIREMENTS_NAME
    if not path.is_file():
        return ()
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if not text:
            continue
        pin = _PIN.fullmatch(text)
        if pin is None:
            raise SessionRefused(
                f"{path.relative_to(bundle_root).as_posix()} has the line {text!r}",
                remedy="Write each line as name==version.",
            )
        found.append(Requirement(name=canonical_name(pin["name"]), version=pin["version"]))
    return tuple(found)
