"""Builds what speaks to Slurm. Imported late: a section on another backend does not need it."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from orchestrator.backends.slurm.backend import SlurmBackend
from orchestrator.backends.slurm.commands import TOOLS, Slurm, missing
from orchestrator.backends.slurm.health_check import examine
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.core.errors import BadInput
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.slurm import SlurmSettings
from orchestrator.stores.project import Project


def slurm_backend(project: Project, card: SectionCard) -> SlurmBackend:
    """The Slurm backend of a section.

    Raises:
        RemoteUnavailable: Slurm is not installed here, or slurmctld does not answer.
        BadInput: `slurm.folder` names a variable that is not set.
    """
    for tool in TOOLS:
        if shutil.which(tool) is None:
            raise missing(tool)
    slurm = Slurm()
    slurm.ping()
    settings = card.slurm
    return SlurmBackend(slurm, settings, session_root(project, settings), python_of(settings))


def slurm_checkup(project: Project, settings: SlurmSettings) -> Iterator[Check]:
    """The Slurm checks of `doctor`, one after another.

    Raises:
        BadInput: `slurm.folder` names a variable that is not set.
    """
    return examine(Slurm(), settings, session_root(project, settings), python_of(settings))


def session_root(project: Project, settings: SlurmSettings) -> Path:
    """Folder of all sessions, absolute.

    Raises:
        BadInput: It names a variable or a user that is not known here.
    """
    if not settings.folder:
        return project.own.absolute() / "slurm"
    text = os.path.expandvars(os.path.expanduser(settings.folder))  # noqa: PTH111  # it leaves an unknown user as it is
    if "$" in text or text.startswith("~"):
        raise BadInput(
            f"slurm.folder: {settings.folder} names a variable or a user that is not known here",
            remedy="Write the path in full.",
        )
    return project.state.absolute() / text


def python_of(settings: SlurmSettings) -> str:
    """Interpreter on the cluster, words of a command line."""
    return settings.python or ("python3" if settings.container else shlex.quote(sys.executable))
