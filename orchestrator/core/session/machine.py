"""The image and the machine of a session. Later sessions of its training ask for the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What a session ran in.

    Attributes:
        accelerator: Name that the card asked for, None for a CPU session.
        docker_image: Image with the libraries; None if it is not known, empty if the service names none.
        machine_shape: The service's own name of the machine, None or empty if it names none.
    """

    accelerator: str | None
    docker_image: str | None = None
    machine_shape: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON for the ledger."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Machine:
        """Read it back."""
        return cls(**plain)
