"""May the session start? The code as it was pushed, the checkpoints as they were promised, a machine that computes."""

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
    """Verify the code, place the inputs, examine the machine, and tell what was found.

    Returns:
        What the preflight found. Its refusal is the caller's to raise, once the findings are kept.

    Raises:
        SessionRefused: This is not the code that was pushed.
        CarrierMissing: The promised checkpoints are not here.
    """
    ticket, reporter = context.ticket, context.reporter
    found = tree_digest(read_tree(bundle_root))
    if found != ticket.bundle_digest:
        raise SessionRefused(f"the code here has digest {found[:12]}, pushed was {ticket.bundle_digest[:12]}")
    place_inputs(ticket.inputs, search=workspace.inputs, models_dir=context.models_dir)
    findings = examine(ticket.spec, bundle_root, workspace=workspace, machine=machine, monotonic=context.monotonic)
    reporter.event("preflight", **findings.to_json())
    for note in findings.notes:
        reporter.say(note)
    return findings
