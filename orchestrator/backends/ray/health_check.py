"""The Ray checks of `doctor`: client, cluster, storage, interpreter. Nothing is submitted."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from orchestrator.backends.ray.client import Jobs
from orchestrator.backends.ray.storage import Storage
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.core.errors import OrchestratorError, RemoteUnavailable
from orchestrator.core.section.ray import RaySettings

NO_STORAGE = "Give ray.storage in the section's card: file:///a/shared/folder or s3://bucket/folder."


def examine(
    settings: RaySettings,
    connect: Callable[[str], Jobs],
    open_storage: Callable[[str, Mapping[str, Any]], Storage],
) -> Iterator[Check]:
    """Run every check.

    Args:
        settings: The card's `ray` block, with its address.
        connect: Connects to a cluster.
        open_storage: Opens a storage.
    """
    try:
        jobs = connect(settings.address)
        yield Check(name="Ray", good=True, found=f"{settings.address} answers, version {jobs.ping()} of its Jobs API")
    except RemoteUnavailable as fault:
        yield Check(name="Ray", good=False, found=str(fault), remedy=fault.remedy, remote=fault.transient)
    yield from _storage(settings, open_storage)
    yield Check(
        name="interpreter on the nodes",
        good=None,
        found=f"{settings.python}; for a session {settings.reserved}",
        remedy="It needs fsspec and the section's libraries: ray.pip in the card installs what lacks.",
    )


def _storage(settings: RaySettings, open_storage: Callable[[str, Mapping[str, Any]], Storage]) -> Iterator[Check]:
    if not settings.storage:
        yield Check(name="storage", good=False, found="the card names none", remedy=NO_STORAGE)
        return
    probe = f".probe-{secrets.token_hex(4)}"
    try:
        storage = open_storage(settings.storage, settings.storage_options)
        storage.write(probe, b"1")
        kept = storage.read(probe) == b"1"
        storage.remove(probe)
    except OrchestratorError as fault:
        remote = isinstance(fault, RemoteUnavailable) and fault.transient
        yield Check(name="storage", good=False, found=str(fault), remedy=fault.remedy, remote=remote)
        return
    remedy = "The nodes must reach it under the same address: only a session shows that."
    found = settings.storage if kept else f"{settings.storage} does not return what was stored"
    yield Check(name="storage", good=kept, found=found, remedy=remedy, remote=not kept)
