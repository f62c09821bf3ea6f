"""`prove-resume`: test whether a chain of sessions ends exactly as one long session does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.error_boundary import print_json
from orchestrator.cli.options import AsJson, BackendName, Section, Set

if TYPE_CHECKING:
    from orchestrator.cli.output.console import Console
    from orchestrator.cli.proof.prove_resume_steps import ProofWorkspace
    from orchestrator.core.diagnostics.resume_proof import Proof

_Algorithms = Annotated[
    list[str] | None,
    typer.Option("--algo", help="An algorithm of the section's card; may be repeated. Default: all of them."),
]
_Cuts = Annotated[int, typer.Option("--cuts", help="Number of cuts in the chain; one of them is a kill -9.")]
_CutSeed = Annotated[int | None, typer.Option("--seed", help="Seed of the cuts; default: random, and printed.")]
_Steps = Annotated[
    int | None, typer.Option("--steps", help="Length of the training in steps; default: seconds of training.")
]
_Keep = Annotated[Path | None, typer.Option("--keep", help="Work in this new folder and keep it.")]


def prove_resume(
    section: Section,
    cuts: _Cuts = 3,
    algo: _Algorithms = None,
    seed: _CutSeed = None,
    steps: _Steps = None,
    backend: BackendName = None,
    keep: _Keep = None,
    settings: Set = None,
    as_json: AsJson = False,
) -> int:
    """Train in one session and in a cut chain, and compare every part of the state; exit 0 only if all are equal.

    The user's models directory and ledger are not touched.
    """
    import secrets

    from orchestrator.cli.output.console import Console
    from orchestrator.core.diagnostics.resume_proof import Finding

    console = Console(sys.stderr if as_json else sys.stdout)
    console.begins(f"Preparing the proof of {section}")
    cut_seed = secrets.randbelow(1_000_000) if seed is None else seed
    with proof_folder(keep) as folder:
        found = prove_algorithms(section, algo, cuts, steps, cut_seed, backend, folder, console, settings)
        proofs = [proof for _, proof in found]
    equal = all(proof.finding is Finding.EQUAL for proof in proofs)
    console.say(conclusion(proofs, cut_seed))
    if as_json:
        rows = [proof.to_json() for proof in proofs]
        whole = {"section": section, "cut_seed": cut_seed, "equal": equal, "proofs": rows}
        print_json({**whole, "exit_code": 0 if equal else 1})
    return 0 if equal else 1


def prove_algorithms(
    section: str,
    algorithms: list[str] | None,
    cuts: int,
    steps: int | None,
    cut_seed: int,
    backend: str | None,
    folder: Path,
    console: Console,
    settings: list[str] | None = None,
) -> list[tuple[ProofWorkspace, Proof]]:
    """Prove algorithms of a section one after another, and show each result.

    Raises:
        BadInput: Nothing was trained.
        RunFailed: A training failed.
    """
    from orchestrator.cli.proof.prove_resume_steps import prove

    found = []
    for workspace in _workspaces(section, algorithms, cuts, steps, cut_seed, backend, folder, console, settings):
        console.say(*_opening_lines(workspace))
        found.append((workspace, prove(workspace)))
        console.say(*_closing_lines(found[-1][1]))
    return found


@contextmanager
def proof_folder(keep: Path | None) -> Iterator[Path]:
    """The folder for everything that a proof writes.

    Raises:
        BadInput: The folder to keep cannot be made.
    """
    import tempfile

    from orchestrator.core.errors import BadInput

    if keep is None:
        with tempfile.TemporaryDirectory(prefix="orchestrator-proof-") as folder:
            yield Path(folder)
        return
    try:
        keep.mkdir(parents=True)
    except OSError as fault:
        raise BadInput(
            f"{keep} cannot be made: {fault.strerror}", remedy="Give --keep a folder that does not exist yet."
        ) from fault
    yield keep.resolve()


def _workspaces(
    section: str,
    algorithms: list[str] | None,
    cuts: int,
    steps: int | None,
    cut_seed: int,
    backend: str | None,
    folder: Path,
    console: Console,
    settings: list[str] | None,
) -> list[ProofWorkspace]:
    """One workspace for each algorithm. Wrong input is refused here, before anything is trained."""
    from orchestrator.cli.output.narrators import for_proof
    from orchestrator.cli.proof.prove_resume_steps import ProofWorkspace, plan_of, proof_card
    from orchestrator.core.errors import BadInput
    from orchestrator.stores.project import find_project
    from orchestrator.stores.section.card_yaml import choose, load_card, read_settings

    project = find_project()
    card = load_card(project.cards, section, read_settings(settings))
    name = backend or card.backend
    names = algorithms or card.algorithms.names or (None,)  # without an algorithm, `plan_of` refuses the section
    chosen = [choose(card, algorithm=algorithm, seed=None) for algorithm in names]
    if len({one.algorithm for one in chosen}) < len(chosen):
        raise BadInput("--algo names an algorithm twice", remedy="Give each algorithm once.")
    console.say(f"Backend: {name}, cuts drawn with seed {cut_seed} (--seed {cut_seed} repeats them)")
    workspaces = []
    for one in chosen:
        plan = plan_of(one, cuts=cuts, steps=steps, seed=cut_seed)
        workspaces.append(
            ProofWorkspace(
                project=project,
                folder=folder / str(one.algorithm),
                card=proof_card(one, plan),
                backend=name,
                plan=plan,
                narrator=for_proof(console),
            )
        )
    return workspaces


def _opening_lines(workspace: ProofWorkspace) -> list[str]:
    plan = workspace.plan
    orderly = ", ".join(map(str, plan.orderly)) or "none"
    return [
        f"{workspace.card.algorithm}: {plan.target_steps} steps in one session, and in {plan.sessions} sessions",
        f"  cuts: {orderly}; kill -9 after {plan.kill_at_steps} steps",
    ]


def _closing_lines(proof: Proof) -> list[str]:
    from orchestrator.core.diagnostics.resume_proof import Finding, table

    results = {
        Finding.EQUAL: "equal: the chain ends exactly as one long session does; the usual ways to resume do not",
        Finding.DIFFERENT: f"DIFFERENT: {', '.join((*proof.differing, *proof.faults))}",
        Finding.CANNOT_TELL: "CANNOT TELL: a control ended exactly as the long session; give more --steps or --cuts",
    }
    start = f"{proof.went_on_from} steps" if proof.went_on_from else "step 0"
    killed = f"  after the kill, training continued from {start}; grades {', '.join(proof.grades)}"
    return [killed, *(f"  {line}" for line in table(proof)), f"  {proof.algorithm}: {results[proof.finding]}"]


def conclusion(proofs: list[Proof], cut_seed: int) -> str:
    """The last line: whether all algorithms are proven."""
    from orchestrator.core.diagnostics.resume_proof import Finding

    failed = [proof.algorithm for proof in proofs if proof.finding is not Finding.EQUAL]
    if failed:
        return f"Resume: NOT PROVEN for {', '.join(failed)} (cut seed {cut_seed})"
    return f"Resume: PROVEN for {', '.join(proof.algorithm for proof in proofs)} (cut seed {cut_seed})"
