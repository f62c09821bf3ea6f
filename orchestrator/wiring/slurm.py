"""Builds what speaks to Slurm. Imported late: a section on another backend does not need it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

from orchestrator.backends.slurm.backend import SlurmBackend
from orchestrator.backends.slurm.commands import TOOLS, Slurm, missing
from orchestrator.backends.slurm.health_check import examine
from orchestrator.backends.slurm.here import Here
from orchestrator.backends.slurm.listing import JobListing
from orchestrator.backends.slurm.login_node import LoginNode
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.core.errors import BadInput, RemoteUnavailable
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.slurm import SlurmSettings
from orchestrator.kernel.wire import digest_of
from orchestrator.ports import Clock
from orchestrator.stores.project import Project


def slurm_backend(project: Project, card: SectionCard, clock: Clock, *, brief: bool = False) -> SlurmBackend:
    """The Slurm backend of a section.

    Args:
        brief: Whether slurmctld is asked only once there is something to ask it.

    Raises:
        RemoteUnavailable: Slurm is not installed, slurmctld does not answer, or SSH gives no connection.
        BadInput: `slurm.folder` names a variable that is not set.
    """
    settings = card.slurm
    node = login_node(project, settings)
    if absent := node.absent(TOOLS):
        raise missing(absent[0], node.title)
    slurm = Slurm(node.run, node.title, _listing(clock.monotonic, settings.ssh))
    if not brief:
        slurm.ping()
    return SlurmBackend(slurm, settings, node, python_of(settings))


@lru_cache(maxsize=4)
def _listing(monotonic: Callable[[], float], ssh: str) -> JobListing:
    """The listing that the backends of one command, which have one clock, share for each login node."""
    return JobListing(monotonic)


def slurm_checkup(project: Project, settings: SlurmSettings) -> Iterator[Check]:
    """The Slurm checks of `doctor`, one after another.

    Raises:
        BadInput: `slurm.folder` names a variable that is not set.
    """
    try:
        node = login_node(project, settings)
        if settings.ssh:
            yield Check(name="SSH", good=True, found=f"{settings.ssh} runs commands, without a question")
        yield from examine(Slurm(node.run, node.title), settings, node, python_of(settings))
    except RemoteUnavailable as fault:
        yield Check(name="SSH", good=False, found=str(fault), remedy=fault.remedy, remote=True)


def login_node(project: Project, settings: SlurmSettings) -> LoginNode:
    """Where Slurm's commands run.

    Raises:
        BadInput: `slurm.folder` names a variable that is not set.
        RemoteUnavailable: It is behind SSH, and cannot be reached.
    """
    if settings.ssh:
        from orchestrator.backends.slurm.ssh.connection import Connection, socket_folder
        from orchestrator.backends.slurm.ssh.login_node import SshLoginNode
        from orchestrator.backends.slurm.ssh.remote_folder import remote_folder

        connection = Connection(settings.ssh, socket_folder())
        root = remote_folder(connection, settings.folder)
        seen = digest_of([settings.ssh, str(root)])[:8]
        return SshLoginNode(connection, root, project.own.absolute() / "slurm-ssh" / seen)
    return Here(session_root(project, settings))


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
    return settings.python or ("python3" if settings.container or settings.ssh else shlex.quote(sys.executable))
