"""Finds the project's folder, from which every other path is built, so no command depends on the current folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.diagnostics.storage import storage_fault
from orchestrator.core.errors import BadInput
from orchestrator.kernel.files.storage import free_text, storage_trouble
from orchestrator.kernel.wire import models_path

ROOT_VARIABLE = "ORCHESTRATOR_ROOT"
_MARK = Path("configs") / "sections"
_PROBE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Folders of the project.

    Attributes:
        code: Holds `configs` and the code of `validation_ch7`.
        state: Holds `validation_output`, the models directories below `validation_ch7`, and `.orchestrator`.
            The same folder, except for `verify`, which must not touch the user's state.
    """

    code: Path
    state: Path

    @property
    def cards(self) -> Path:
        """Section cards."""
        return self.code / _MARK

    @property
    def campaigns(self) -> Path:
        """Shipped campaigns."""
        return self.code / "configs" / "campaigns"

    @property
    def results(self) -> Path:
        """Fetched outputs."""
        return self.state / "validation_output" / "results"

    @property
    def campaign_reports(self) -> Path:
        """Tables and figures of campaigns."""
        return self.state / "validation_output" / "campaigns"

    @property
    def section_reports(self) -> Path:
        """Reports on sections."""
        return self.state / "validation_output" / "reports"

    @property
    def own(self) -> Path:
        """The orchestrator's own folder: ledger and local sandboxes."""
        return self.state / ".orchestrator"

    def models(self, section_dir: str, trial: str | None = None) -> Path:
        """The models directory that training reads."""
        return models_path(self.state / "validation_ch7", section_dir, trial)

    def trials(self, section_dir: str) -> tuple[str, ...]:
        """First eight characters of the lineages that have a models directory beside the default run's."""
        section = self.models(section_dir).parents[1]
        return tuple(sorted(path.name for path in (section / "trials").glob("*") if path.is_dir()))


def find_project(environ: Mapping[str, str] = os.environ, start: Path | None = None) -> Project:
    """The project of the variable `ORCHESTRATOR_ROOT`, of the current folder or its parents, or of this code.

    Raises:
        BadInput: The variable names a folder that is not the project.
    """
    named = environ.get(ROOT_VARIABLE)
    if named:
        root = Path(named).resolve()
        if not (root / _MARK).is_dir():
            raise BadInput(
                f"{ROOT_VARIABLE} names {root}, which has no {_MARK.as_posix()} folder",
                remedy=f"Set {ROOT_VARIABLE} to the project's folder, or unset it.",
            )
        return Project(code=root, state=root)
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents, Path(__file__).resolve().parents[2]):
        if (folder / _MARK).is_dir():
            return Project(code=folder, state=folder)
    raise BadInput("no project here", remedy=f"Go to the project's folder or set {ROOT_VARIABLE}.")


def origin_of_project(environ: Mapping[str, str] = os.environ, start: Path | None = None) -> str:
    """How `find_project` found the project, for people."""
    if environ.get(ROOT_VARIABLE):
        return f"the variable {ROOT_VARIABLE}"
    here = (start or Path.cwd()).resolve()
    inside = any((folder / _MARK).is_dir() for folder in (here, *here.parents))
    return "the current folder" if inside else "the place of this program's code"


def require_writable(folder: Path) -> None:
    """Create a folder and check that files can be written there.

    Raises:
        StorageFault: They cannot: full disk, no permission, or a read-only disk.
        BadInput: Something else is at the folder's path.
    """
    probe = folder / ".write-probe"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with probe.open("wb") as stream:
                stream.write(bytes(_PROBE_BYTES))  # an empty file fits on a full disk
                stream.flush()
                os.fsync(stream.fileno())
        finally:
            probe.unlink(missing_ok=True)
    except OSError as fault:
        if (trouble := storage_trouble(fault)) is not None:
            raise storage_fault(trouble, str(folder), free_text(folder)) from fault
        raise BadInput(
            f"{folder} cannot be written: {fault.strerror or fault}",
            remedy="Move away what has that name, then run the same command again.",
        ) from fault
