"""What sessions on a Slurm cluster can do, and their limits. No I/O."""

from __future__ import annotations

from orchestrator.backends.slurm.observation import LOST_AFTER_S
from orchestrator.core.section.slurm import SlurmSettings
from orchestrator.core.session.backend_types import Carrier
from orchestrator.core.session.capabilities import Capabilities

OWNER = "slurm"

LOOK_EVERY_S = (5.0, 60.0)
"""Each look runs squeue, which all users of a cluster share."""

VISIBILITY_S = 60.0
"""How long a submit whose answer was lost may stay invisible: several times Slurm's own limit for a message (10 s)."""

MOST_SCRIPT_BYTES = 64_000_000


def capabilities_of(settings: SlurmSettings) -> Capabilities:
    """The limits of a session with the settings of a card."""
    parts = ("Slurm", settings.ssh, settings.partition, settings.gres, f"{settings.wall_s / 60:.0f} min a job")
    return Capabilities(
        owner=OWNER,
        device=", ".join(filter(None, parts)),
        max_script_bytes=MOST_SCRIPT_BYTES,
        max_wall_s=settings.longest_session_s,
        look_every_s=LOOK_EVERY_S,
        can_cancel=True,
        carriers=(Carrier.DATASET,),
        runtime_versions={},
        absent_patience_s=LOST_AFTER_S,
        visibility_s=VISIBILITY_S,
        remembers=True,
        cores=settings.cpus,
        gpus=settings.gpus,
    )
