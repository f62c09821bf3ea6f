"""Builds what speaks to Ray. Imported late: a section on another backend does not need it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace

from orchestrator.backends.ray.backend import RayBackend
from orchestrator.backends.ray.client import connect
from orchestrator.backends.ray.health_check import NO_STORAGE, examine
from orchestrator.backends.ray.storage import open_storage
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.core.errors import BadInput
from orchestrator.core.section.ray import RaySettings

VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Ray's client takes the first that is set above the address that it is given."""


def ray_backend(settings: RaySettings) -> RayBackend:
    """The Ray backend of a section.

    Raises:
        RemoteUnavailable: The cluster does not answer, or its client is not installed.
        BadInput: The card and the shell name no cluster, or two; or no storage.
    """
    settings = with_address(settings)
    if not settings.storage:
        raise BadInput("the card names no storage for the backend ray", remedy=NO_STORAGE)
    storage = open_storage(settings.storage, settings.storage_options)
    return RayBackend(connect(settings.address), settings, storage)


def ray_checkup(settings: RaySettings) -> Iterator[Check]:
    """The Ray checks of `doctor`, one after another.

    Raises:
        BadInput: The card and the shell name no cluster, or two.
    """
    return examine(with_address(settings), connect, open_storage)


def with_address(settings: RaySettings, environ: Mapping[str, str] = os.environ) -> RaySettings:
    """The settings with the address that Ray's client will use.

    Raises:
        BadInput: There is none, or the shell's differs from the card's.
    """
    given = next(((name, environ[name]) for name in VARIABLES if environ.get(name)), None)
    if given is None:
        if not settings.address:
            remedy = "Give ray.address in the section's card, or set RAY_API_SERVER_ADDRESS: http://head:8265."
            raise BadInput("no Ray cluster is named", remedy=remedy)
        return settings
    name, address = given
    if settings.address and settings.address.rstrip("/") != address.rstrip("/"):
        raise BadInput(
            f"the card names the Ray cluster {settings.address}, and {name} another one: {address}",
            remedy=f"Ray's client prefers {name}: unset it, or leave out ray.address.",
        )
    try:
        return replace(settings, address=address)
    except ValueError as fault:
        raise BadInput(f"{name}: {fault}", remedy="Set it to http://head:8265.") from fault
