"""What `prove` does for a script, for a section, and for a section with a proof of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.output.console import Console
from orchestrator.cli.output.narrators import for_proof
from orchestrator.cli.proof.proof_outcome import ProofOutcome, keep_record, void
from orchestrator.cli.proof.proof_run import CutRequest, run_proof
from orchestrator.cli.proof.script_processes import ScriptProcesses
from orchestrator.cli.proof.script_trainings import ScriptTrainings
from orchestrator.cli.proof.section_trainings import SectionTrainings
from orchestrator.core.errors import BadInput
from orchestrator.core.proof.hints import Reading
from orchestrator.core.proof.record import ProofRecord, iso
from orchestrator.core.proof.script_reading import read_script
from orchestrator.core.section.card import SectionCard
from orchestrator.kernel.training import cuts as variables
from orchestrator.kernel.training import settings
from orchestrator.kernel.training.alone import ROOT
from orchestrator.stores.project import Project
from orchestrator.stores.proof.records import plain_lineage, section_files
from orchestrator.stores.proof.script_code import read_code
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.stores.session.code_bundle import CodeStore


def prove_script(
    script: Path, words: list[str], request: CutRequest, *, limit_s: float, folder: Path, console: Console
) -> ProofOutcome:
    """Prove a script of the user.

    Raises:
        BadInput: There is no such script, it opens no session, or it cannot be cut like this.
        RunFailed: A training failed.
    """
    if not script.is_file():
        raise BadInput(f"there is no script {script}", remedy="Give the path of a Python file, or a section's name.")
    command = [sys.executable, str(script), *words]
    script = script.resolve()
    code = read_code(script)
    processes = ScriptProcesses(command, environ=_environment(), limit_s=limit_s, say=console.say)
    trainings = ScriptTrainings(script, processes, folder=folder, request=request)
    result = run_proof(trainings, request, assigned=code.assigned, say=console.say)
    record = _record(
        script.stem,
        script=str(script),
        files=code.files,
        conditions=result.straight.conditions,
        steps=result.straight.steps,
        cuts=result.cuts,
        killed=request.kills != 0,
    )
    return ProofOutcome(result=result, record=record, own=ROOT, hints=code.hints)


def prove_section(
    project: Project, section: str, profile: str, request: CutRequest, *, folder: Path, console: Console
) -> ProofOutcome:
    """Prove a section whose code uses `orchestrator.session()`.

    Raises:
        BadInput: It uses none, or cannot be cut like this.
        RunFailed: A training failed.
    """
    card = load_card(project.cards, section)
    contents = CodeStore(project.code).contents(card)
    reading = _read_all(contents)
    trainings = SectionTrainings(
        project=project, folder=folder, card=card, profile=profile, request=request, narrator=for_proof(console)
    )
    result = run_proof(trainings, request, assigned=reading.assigned, say=console.say)
    record = _record(
        section,
        script="",
        files=section_files(CodeStore(project.code).digest(card)),
        conditions=_conditions(card, result.straight.conditions),
        steps=result.straight.steps,
        cuts=result.cuts,
        killed=request.kills != 0,
    )
    return ProofOutcome(result=result, record=record, own=project.own, hints=reading.hints)


def prove_with_controls(
    project: Project, section: str, request: CutRequest, *, folder: Path, console: Console, as_json: bool
) -> int:
    """Prove a section by its own module for stable-baselines3, as `prove-resume` does, and record the result.

    Raises:
        BadInput: Cuts were named; here they lie at ends of rollouts.
        RunFailed: A training failed.
    """
    from orchestrator.cli.proof.prove_resume import conclusion, prove_algorithms
    from orchestrator.cli.proof.prove_resume_steps import newest_identity
    from orchestrator.core.diagnostics.resume_proof import Finding

    if request.at:
        raise BadInput("--at has no effect here: this section is cut at ends of rollouts", remedy="Give --cuts N.")
    card = load_card(project.cards, section)
    ((workspace, proof),) = prove_algorithms(
        section, [str(card.algorithm)], request.cuts, request.steps, request.seed, "local", folder, console
    )
    exact = proof.finding is Finding.EQUAL
    identity = newest_identity(workspace)
    record = _record(
        section,
        script="",
        files=section_files(CodeStore(project.code).digest(card)),
        conditions=_conditions(card, {"versions": identity["versions"], "device": identity["device_class"]}),
        steps=proof.plan.target_steps,
        cuts=sorted((*proof.plan.orderly, proof.plan.kill_at_steps)),
        killed=True,
    )
    console.say(conclusion([proof], request.seed))
    kept = keep_record(project.own, record, None, console) if exact else void(project.own, record, console)
    if as_json:
        print_json(
            {
                "target": section,
                "finding": "exact" if exact else proof.finding.value,
                "grade": "exact" if exact else "statistical",
                "digest": record.digest,
                **kept,
                "proof": proof.to_json(),
                "exit_code": 0 if exact else 1,
            }
        )
    return 0 if exact else 1


def _read_all(contents: Mapping[str, bytes]) -> Reading:
    """What the user's own files of a bundle show."""
    own = {
        name: text for name, text in contents.items() if name.endswith(".py") and not name.startswith("orchestrator/")
    }
    readings = [read_script(text, name) for name, text in sorted(own.items())]
    return Reading(
        hints=tuple(hint for reading in readings for hint in reading.hints),
        assigned=frozenset(name for reading in readings for name in reading.assigned),
    )


def _conditions(card: SectionCard, found: Mapping[str, Any]) -> dict[str, Any]:
    versions = {name: version for name, version in found["versions"].items() if name != "orchestrator"}
    return {"lineage": plain_lineage(card), "versions": versions, "device": found["device"]}


def _record(name: str, **facts: Any) -> ProofRecord:
    return ProofRecord(name=name, proved_at=iso(datetime.now(UTC)), **facts)


def _environment() -> dict[str, str]:
    """The user's environment without variables of another proof or session, and with this package importable."""
    taken = {*variables.VARIABLES, settings.FOLDER, settings.DEADLINE_S, "PYTHONHASHSEED"}
    kept = {name: value for name, value in os.environ.items() if name not in taken}
    here = str(Path(__file__).resolve().parents[3])
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, (kept.get("PYTHONPATH"), here)))}
