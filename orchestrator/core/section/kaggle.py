"""The `kaggle` block of a section card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

from orchestrator.core.section.session_kind import SessionKind
from orchestrator.kernel.algorithms.plans import JSON_SCHEMA

MAX_SESSION_S = 43_200.0
"""Kaggle ends CPU and GPU sessions after 12 hours (TPU: 9 hours)."""

CORES, GPUS = 4, 2
"""Logical CPUs of a machine, and GPUs of one with a GPU: a pair of T4."""

OUTSIDE_S = 300.0
"""Seconds of Kaggle's limit spent outside our script: starting the image, mounting inputs, saving outputs."""

CPU_SESSIONS, GPU_SESSIONS = 5, 2
"""Sessions that Kaggle runs for an account at a time. CPU sessions spend no weekly quota."""

MOST_SESSIONS: Mapping[SessionKind, int] = {SessionKind.GPU: GPU_SESSIONS, SessionKind.CPU: CPU_SESSIONS}

DEFAULT_GPU = "NvidiaTeslaT4"
"""Kaggle's default GPU machine: two T4, 4 logical CPUs, about 31 GB. There is no machine with a single T4.

Source: kaggle-cli, pull request 1198, merged in September 2026.
"""

_RETIRED: Mapping[str, str] = {
    "nvidiateslap100": DEFAULT_GPU,
    "tpuv38": "TpuV5E8",
    "tpu1vmv38": "TpuV5E8",
    "tpuv232": "a CPU",
    "tpuv2256": "a CPU",
}
"""Retired name in lower case -> what Kaggle starts instead, without a message.

Source: `_RETIRED_ACCELERATORS` in kaggle 2.2.5.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class KaggleSettings:
    """Settings of a session on Kaggle.

    Attributes:
        gpu: Whether the session gets a GPU and spends GPU quota.
        accelerator: Kaggle's name of the GPU machine; the default has two T4. Ignored without `gpu`.
        device: Device that the section computes on.
        internet: Whether the session may install missing packages; needs a phone-verified account.
        session_timeout_s: Wall limit that Kaggle enforces.
        docker_image: A pinned image of Kaggle's, None for the current one.
        wheelhouse: Dataset `owner/dataset` with wheels, for sessions without internet.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "strict": True}

    gpu: bool = True
    accelerator: str = DEFAULT_GPU
    device: Literal["cpu", "cuda", "auto"] = "auto"
    internet: bool = True
    session_timeout_s: float = field(
        default=MAX_SESSION_S, metadata={JSON_SCHEMA: {"exclusiveMinimum": 0, "maximum": MAX_SESSION_S}}
    )
    docker_image: str | None = None
    wheelhouse: str | None = field(default=None, metadata={JSON_SCHEMA: {"pattern": "^[^/]*/[^/]*$"}})

    @property
    def kind(self) -> SessionKind:
        """Kind of session that the card asks for."""
        return SessionKind.GPU if self.gpu else SessionKind.CPU

    @property
    def places(self) -> int:
        """Trainings that the session's machine can run side by side: one on each GPU, or on each core."""
        return GPUS if self.gpu and self.device != "cpu" else CORES

    @property
    def session_device(self) -> Literal["cpu", "cuda", "auto"]:
        """Device that a session computes on: a CPU session has no other than its CPU."""
        return self.device if self.gpu else "cpu"

    def of_kind(self, kind: SessionKind) -> KaggleSettings:
        """The same settings in a session of that kind.

        Raises:
            ValueError: A CPU session with device cuda.
        """
        return self if kind is self.kind else replace(self, gpu=kind is SessionKind.GPU)

    @property
    def longest_session_s(self) -> float:
        """Wall seconds that our script may take."""
        return self.session_timeout_s - OUTSIDE_S

    def __post_init__(self) -> None:
        if not 0.0 < self.session_timeout_s <= MAX_SESSION_S:
            raise ValueError(f"session_timeout_s must lie in (0, {MAX_SESSION_S:.0f}], not {self.session_timeout_s}")
        if self.wheelhouse is not None and self.wheelhouse.count("/") != 1:
            raise ValueError(f"wheelhouse must read owner/dataset, not {self.wheelhouse!r}")
        if self.device == "cuda" and not self.gpu:
            raise ValueError("device cuda needs gpu: true")
        _require_present(self.accelerator)


def _require_present(accelerator: str) -> None:
    """Refuse a machine that Kaggle no longer has, or that a push cannot use.

    Raises:
        ValueError: It is retired, or a TPU: Kaggle starts a pushed TPU session with the wrong image (kaggle-cli, issue
            1197).
    """
    name = accelerator.strip().lower()
    if not name:
        raise ValueError(f"accelerator must name a machine, for example {DEFAULT_GPU}")
    replaced = f"accelerator {accelerator} is retired: Kaggle runs {_RETIRED[name]} instead" if name in _RETIRED else ""
    if name.startswith("tpu"):
        reason = replaced or f"accelerator {accelerator} is a TPU"
        raise ValueError(f"{reason}, and a push cannot start a TPU session; write {DEFAULT_GPU}, or gpu: false")
    if replaced:
        raise ValueError(f"{replaced}; write {_RETIRED[name]}")
