"""The `kaggle` block of a section card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from orchestrator.kernel.algorithms.plans import JSON_SCHEMA

MAX_SESSION_S = 43_200.0
"""Kaggle ends CPU and GPU sessions after 12 hours."""

OUTSIDE_S = 300.0
"""Seconds of Kaggle's limit spent outside our script: starting the image, mounting inputs, saving outputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KaggleSettings:
    """Settings of a session on Kaggle.

    Attributes:
        gpu: Whether the session gets a GPU and spends GPU quota.
        accelerator: Kaggle's name of the machine. Default T4: a plain GPU request may get a P100, for which the
            image's torch has no code.
        device: Device that the section computes on.
        internet: Whether the session may install missing packages; needs a phone-verified account.
        session_timeout_s: Wall limit that Kaggle enforces.
        docker_image: A pinned image of Kaggle's, None for the current one.
        wheelhouse: Dataset `owner/dataset` with wheels, for sessions without internet.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = {"extra": "forbid", "strict": True}

    gpu: bool = True
    accelerator: str = "NvidiaTeslaT4"
    device: Literal["cpu", "cuda", "auto"] = "auto"
    internet: bool = True
    session_timeout_s: float = field(
        default=MAX_SESSION_S, metadata={JSON_SCHEMA: {"exclusiveMinimum": 0, "maximum": MAX_SESSION_S}}
    )
    docker_image: str | None = None
    wheelhouse: str | None = field(default=None, metadata={JSON_SCHEMA: {"pattern": "^[^/]*/[^/]*$"}})

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
