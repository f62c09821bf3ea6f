"""Checks before a session starts: the pushed code, the promised checkpoints, and a machine that can run it."""

from __future__ import annotations

from pathlib import Path

from orchestrator.kernel.environment.machine import Machine
from orchestrator.kernel.environment.preflight import Findings, examine
from orchestrator.kernel.files.digests import read_tree, tree_digest
from orchestrator.kernel.files.inputs import place_inputs
from orchestrator.kernel.files.workspace import Workspace
from orchestrator.kernel.outcome import SessionRefused
from orchestrator.kernel.session.context import SessionContext


def admit(context: SessionContext, bundle_root: Path, *, workspace: Workspace, machine: Machine) -> Findings:
    """Verify the code, copy the inputs, examine the machine, and report the findings.

    Returns:
        Findings of the preflight. The caller stores them, then raises their refusal.

    Raises:
        SessionRefused: The code is not the code that was pushed.
        CarrierMissing: The promised checkpoints were not found.
    """
    ticket, reporter = context.ticket, context.reporter
    found = tree_digest(read_tree(bundle_root))
    if found != ticket.bundle_digest:
        raise SessionRefused(
            f"the code in this kernel has digest {found[:12]}, the pushed code has {ticket.bundle_digest[:12]}"
        )
    place_inputs(ticket.inputs, search=workspace.inputs, models_dir=context.models_dir)
    findings = examine(ticket.spec, bundle_root, workspace=workspace, machine=machine, monotonic=context.monotonic)
    reporter.event("preflight", **findings.to_json())
    for note in findings.notes:
        reporter.say(note)
    return findings
