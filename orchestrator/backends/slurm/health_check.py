"""The Slurm checks of `doctor`: tools, slurmctld, partition, folder, interpreter. Nothing is submitted."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.backends.slurm.commands import MISSING, TOOLS, Slurm
from orchestrator.backends.slurm.login_node import LoginNode
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.core.errors import RemoteUnavailable
from orchestrator.core.section.slurm import SlurmSettings, wall_seconds

LEAST_FREE_BYTES = 2 << 30


def examine(
    slurm: Slurm,
    settings: SlurmSettings,
    node: LoginNode,
    python: str,
) -> Iterator[Check]:
    """Run every check; a failed one ends the list if the rest need it.

    Args:
        slurm: Slurm's commands.
        settings: The card's `slurm` block.
        node: Where the commands run and the folders of the sessions are.
        python: Interpreter on the cluster.
    """
    yield _folder(node)
    yield _interpreter(settings, python)
    absent = node.absent(TOOLS)
    if absent:
        yield Check(name="Slurm's commands", good=False, found=f"not found: {', '.join(absent)}", remedy=MISSING)
        return
    try:
        slurm.ping()
        yield Check(name="Slurm", good=True, found=f"{slurm.version()}, slurmctld answers")
        yield _partition(settings, slurm.partitions())
    except RemoteUnavailable as fault:
        yield Check(name="Slurm", good=False, found=str(fault), remedy=fault.remedy, remote=True)


def _partition(settings: SlurmSettings, rows: list[tuple[str, str, str]]) -> Check:
    shown = ", ".join(f"{name} ({state}, {limit})" for name, state, limit in rows) or "none"
    named = [one for one in settings.partition.split(",") if one]
    known = {name.rstrip("*"): (state, limit) for name, state, limit in rows}
    absent = [one for one in named if one not in known]
    if absent:
        remedy = "Correct slurm.partition in the section's card."
        return Check(name="partitions", good=False, found=f"no {', '.join(absent)}; there are {shown}", remedy=remedy)
    if not named and not any(name.endswith("*") for name, _, _ in rows):
        remedy = "Name one in the section's card: slurm.partition."
        return Check(name="partitions", good=False, found=f"none is the default; there are {shown}", remedy=remedy)
    chosen = named or [name.rstrip("*") for name, _, _ in rows if name.endswith("*")]
    short = [one for one in chosen if (limit_s := wall_seconds(known[one][1])) and limit_s < settings.wall_s]
    if short:
        return Check(
            name="partitions",
            good=False,
            found=f"{', '.join(short)} allows less than slurm.time ({settings.time}); there are {shown}",
            remedy="Lower slurm.time in the section's card: a job that asks for more never starts.",
        )
    return Check(name="partitions", good=True, found=shown)


def _folder(node: LoginNode) -> Check:
    storage = node.storage()
    found = f"{node.root}, {storage.free_bytes / 1e9:.1f} GB free"
    if not storage.writable:
        remedy = "Change its permissions, or choose another one in the section's card: slurm.folder."
        return Check(
            name="folder of the sessions", good=False, found=f"{found}, but it cannot be written", remedy=remedy
        )
    if storage.free_bytes < LEAST_FREE_BYTES:
        remedy = "Free some space, or choose another folder in the section's card: slurm.folder."
        return Check(name="folder of the sessions", good=False, found=found, remedy=remedy)
    remedy = "The nodes must see it under the same path: only a session shows that."
    return Check(name="folder of the sessions", good=True, found=found, remedy=remedy)


def _interpreter(settings: SlurmSettings, python: str) -> Check:
    within = f" in `{settings.container}`" if settings.container else ""
    loaded = f" after module load {' '.join(settings.modules)}" if settings.modules else ""
    remedy = "It must be on the nodes too, with the section's libraries: slurm.python in the card names another one."
    return Check(name="interpreter on the nodes", good=None, found=f"{python}{within}{loaded}", remedy=remedy)
