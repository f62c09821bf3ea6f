"""What a backend can do, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.session.backend_types import Carrier


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a backend can do.

    Attributes:
        owner: Account in handles and folder names.
        device: What it computes on, for the first line of output.
        max_script_bytes: Largest accepted script.
        max_wall_s: Longest session, None without a limit.
        look_every_s: Shortest and longest pause between two looks at a session.
        can_cancel: Whether sessions can be stopped from here.
        cancel_needs_id: Whether that needs the backend's own number of the session, which it shows only once it runs.
        cores: Logical CPUs of its machines.
        gpus: GPUs of its machines.
        can_delete: Whether ended sessions can be deleted, with their outputs.
        runtime_versions: Library -> version in its sessions, where known in advance.
        streams_log: Whether `follow` waits for new lines until the log is complete.
        late_outputs: Whether outputs may still be missing after the state says that the session has ended.
        absent_patience_s: Seconds that a submitted session may be absent before it counts as gone.
        visibility_s: Seconds that a submitted session may stay invisible to `find` before it counts as absent.
        remembers: Whether `Backend.recall` knows every session that was never fetched, even without the ledger.
        keeps_images: Whether a session can ask for the image of an earlier one.
        session_device: Device that its sessions compute on, None if the card decides.
    """

    owner: str
    device: str
    max_script_bytes: int
    max_wall_s: float | None
    look_every_s: tuple[float, float]
    can_cancel: bool
    carriers: tuple[Carrier, ...]
    runtime_versions: Mapping[str, str]
    streams_log: bool = False
    late_outputs: bool = False
    absent_patience_s: float = 10.0
    visibility_s: float = 0.0
    remembers: bool = False
    keeps_images: bool = False
    session_device: str | None = None
    cancel_needs_id: bool = False
    can_delete: bool = False
    cores: int = 1
    gpus: int = 0

    def places(self, device: str) -> int:
        """How many sessions of a device (`cpu`, `cuda`, `auto`) a machine runs side by side; measured again there."""
        return self.gpus if self.gpus and (self.session_device or device) != "cpu" else self.cores

    def can_stop(self, session_id: int | None) -> bool:
        """Whether a running session can be stopped from here.

        Args:
            session_id: The backend's own number of it, None while unknown.
        """
        return self.can_cancel and (session_id is not None or not self.cancel_needs_id)
