"""Builds the request for one session: first a `Push`, which prints itself, then a `SaveRequest`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestrator.backends.kaggle.client.mapping import KernelRecord, SaveRequest
from orchestrator.backends.kaggle.session.checkpoint_dataset import dataset_slug
from orchestrator.core.section.kaggle import DEFAULT_GPU, OUTSIDE_S, KaggleSettings
from orchestrator.core.session.backend_types import Carrier, CheckpointSet, Push
from orchestrator.core.session.machine import Machine
from orchestrator.core.session.pack import combine
from orchestrator.kernel.wire import Ticket

_SLACK = 1.25
"""A session ends before its deadline; one that takes a quarter more hangs."""


def build_push(
    account: str,
    settings: KaggleSettings,
    ticket: Ticket,
    script: str,
    checkpoints: CheckpointSet,
    slug: str,
    carrier: Carrier,
) -> Push:
    """The complete request of a session."""
    datasets = [settings.wheelhouse] if settings.wheelhouse else []
    kernels = []
    if carrier is Carrier.DATASET:
        datasets.append(f"{account}/{dataset_slug(ticket.lineage_id)}")
    if carrier is Carrier.KERNEL_OUTPUT and checkpoints.source:
        kernels.append(f"{checkpoints.source.owner}/{checkpoints.source.slug}")
    accelerator = settings.accelerator if settings.gpu else None
    return Push(
        slug=slug,
        owner=account,
        script=script,
        ticket=ticket,
        carrier=carrier,
        checkpoints=checkpoints,
        settings={
            "gpu": settings.gpu,
            "accelerator": accelerator,
            "internet": settings.internet,
            "session_timeout_s": time_limit_s(ticket, settings),
            "docker_image": settings.docker_image,
            "dataset_sources": datasets,
            "kernel_sources": kernels,
        },
        machine=Machine(accelerator=accelerator, docker_image=settings.docker_image),
    )


def pack(pushes: Sequence[Push], script: str, slug: str) -> Push:
    """The request for several sessions in one kernel: with the sources of all, and the longest time limit.

    Raises:
        ValueError: They differ in code, image, accelerator or internet.
    """
    shared = {
        "session_timeout_s": max(one.settings["session_timeout_s"] for one in pushes),
        "dataset_sources": _all_sources(pushes, "dataset_sources"),
        "kernel_sources": _all_sources(pushes, "kernel_sources"),
    }
    return combine([replace(one, settings={**one.settings, **shared}) for one in pushes], script, slug)


def _all_sources(pushes: Sequence[Push], kind: str) -> list[str]:
    return list(dict.fromkeys(source for one in pushes for source in one.settings[kind]))


def keep_machine(push: Push, machine: Machine) -> Push:
    """The push with the image and the machine of an earlier session.

    Where the card names an image, or another accelerator than then, the card is followed.
    """
    asked = push.machine
    if asked is None or asked.docker_image is not None or asked.accelerator != machine.accelerator:
        return push
    if not machine.docker_image and not machine.machine_shape:
        return push
    settings = {**push.settings, "docker_image": machine.docker_image or None}
    if machine.machine_shape:
        settings["machine_shape"] = machine.machine_shape
    return replace(push, settings=settings, machine=machine, keeps_image=bool(machine.docker_image))


def machine_of(record: KernelRecord) -> Machine:
    """What a kernel's last version ran in."""
    return Machine(
        accelerator=(record.machine_shape or DEFAULT_GPU) if record.gpu else None,
        docker_image=record.docker_image,
        machine_shape=record.machine_shape,
    )


def time_limit_s(ticket: Ticket, settings: KaggleSettings) -> float:
    """Time limit that Kaggle enforces: after the session's deadline, but soon enough to save quota if it hangs."""
    return min(settings.session_timeout_s, float(ticket.spec["deadline_s"]) * _SLACK + OUTSIDE_S)


def save_request(push: Push) -> SaveRequest:
    """A push as the client's request."""
    settings = push.settings
    return SaveRequest(
        owner=push.owner,
        slug=push.slug,
        source=push.script,
        gpu=settings["gpu"],
        machine_shape=settings.get("machine_shape", settings["accelerator"]),
        internet=settings["internet"],
        session_timeout_s=int(settings["session_timeout_s"]),
        docker_image=settings["docker_image"],
        dataset_sources=tuple(settings["dataset_sources"]),
        kernel_sources=tuple(settings["kernel_sources"]),
    )
