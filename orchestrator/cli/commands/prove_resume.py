"""`prove-resume`: show that a chain of sessions is the same training as one long session, or that it is not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.error_boundary import print_json, run_command
from orchestrator.cli.options import AsJson, BackendName, Section

if TYPE_CHECKING:
    from orchestrator.cli.commands.prove_resume_steps import ProofWorkspace
    from orchestrator.cli.output.console import Console
    from orchestrator.core.diagnostics.resume_proof import Proof

_Algorithms = Annotated[
    list[str] | None,
    typer.Option("--algo", help="An algorithm of the section's card; may be repeated. Default: all that it declares."),
]
_Cuts = Annotated[int, typer.Option("--cuts", help="Cuts of the chain, one of them by kill -9.")]
_CutSeed = Annotated[int | None, typer.Option("--seed", help="Seed of the cuts; drawn and printed without one.")]
_Steps = Annotated[int | None, typer.Option("--steps", help="Length of the training in steps; default: seconds.")]
_Keep = Annotated[Path | None, typer.Option("--keep", help="Make the proof in this new folder and leave it there.")]


def prove_resume(
    section: Section,
    cuts: _Cuts = 3,
    algo: _Algorithms = None,
    seed: _CutSeed = None,
    steps: _Steps = None,
    backend: BackendName = None,
    keep: _Keep = None,
    as_json: AsJson = False,
) -> int:
    """Train straight and in cut sessions, and compare every part at the end; exit 0 only if all are equal.

    The user's models directory and ledger are not touched.
    """

    def act() -> int:
        import secrets

        from orchestrator.cli.commands.prove_resume_steps import prove
        from orchestrator.cli.output.console import Console
        from orchestrator.core.diagnostics.resume_proof import Finding

        console = Console(sys.stderr if as_json else sys.stdout)
        cut_seed = secrets.randbelow(1_000_000) if seed is None else seed
        proofs = []
        with _folder(keep) as folder:
            for ground in _grounds(section, algo, cuts, steps, cut_seed, backend, folder, console):
                console.say(*_opening_lines(ground))
                proofs.append(prove(ground))
                console.say(*_closing_lines(proofs[-1]))
        equal = all(proof.finding is Finding.EQUAL for proof in proofs)
        console.say(_conclusion(proofs, cut_seed))
        if as_json:
            rows = [proof.to_json() for proof in proofs]
            whole = {"section": section, "cut_seed": cut_seed, "equal": equal, "proofs": rows}
            print_json({**whole, "exit_code": 0 if equal else 1})
        return 0 if equal else 1

    return run_command(act, as_json=as_json)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """A new folder for everything that the proof writes."""
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
            f"{keep} cannot be made: {fault.strerror}", remedy="Name a folder that does not exist."
        ) from fault
    yield keep.resolve()


def _grounds(
    section: str,
    algorithms: list[str] | None,
    cuts: int,
    steps: int | None,
    cut_seed: int,
    backend: str | None,
    folder: Path,
    console: Console,
) -> list[ProofWorkspace]:
    """One ground for each algorithm; whatever can be refused is refused here, before anything is trained."""
    from orchestrator.cli.commands.prove_resume_steps import ProofWorkspace, plan_of, proof_card
    from orchestrator.cli.output.narrators import for_proof
    from orchestrator.core.errors import BadInput
    from orchestrator.stores.project import find_project
    from orchestrator.stores.section.card_yaml import choose, load_card

    project = find_project()
    card = load_card(project.cards, section)
    name = backend or card.backend
    chosen = [choose(card, algorithm=algorithm, seed=None) for algorithm in algorithms or card.algorithms.names]
    if len({one.algorithm for one in chosen}) < len(chosen):
        raise BadInput("--algo names an algorithm twice", remedy="Give each once: the proof would be the same.")
    console.say(f"Backend: {name}, cuts drawn with seed {cut_seed} (--seed {cut_seed} draws the same)")
    grounds = []
    for one in chosen:
        plan = plan_of(one, cuts=cuts, steps=steps, seed=cut_seed)
        grounds.append(
            ProofWorkspace(
                project=project,
                folder=folder / one.algorithm,
                card=proof_card(one, plan),
                backend=name,
                plan=plan,
                narrator=for_proof(console),
            )
        )
    return grounds


def _opening_lines(ground: ProofWorkspace) -> list[str]:
    plan = ground.plan
    orderly = ", ".join(map(str, plan.orderly)) or "none"
    return [
        f"{ground.card.algorithm}: {plan.target_steps} steps straight, and in {plan.sessions} sessions",
        f"  cuts: {orderly}; kill -9 after {plan.kill_at_steps} steps",
    ]


def _closing_lines(proof: Proof) -> list[str]:
    from orchestrator.core.diagnostics.resume_proof import Finding, table

    says = {
        Finding.EQUAL: "equal: the chain is the straight training, and the usual ways to resume are not",
        Finding.DIFFERENT: f"DIFFERENT: {', '.join((*proof.differing, *proof.faults))}",
        Finding.CANNOT_TELL: "CANNOT TELL: a control ended as the straight training did; take more --steps or --cuts",
    }
    back = proof.went_on_from or "the beginning"
    killed = f"  the killed session was gone on with from {back}; grades {', '.join(proof.grades)}"
    return [killed, *(f"  {line}" for line in table(proof)), f"  {proof.algorithm}: {says[proof.finding]}"]


def _conclusion(proofs: list[Proof], cut_seed: int) -> str:
    from orchestrator.core.diagnostics.resume_proof import Finding

    failed = [proof.algorithm for proof in proofs if proof.finding is not Finding.EQUAL]
    if failed:
        return f"Resume: NOT PROVEN for {', '.join(failed)} (cut seed {cut_seed})"
    return f"Resume: PROVEN for {', '.join(proof.algorithm for proof in proofs)} (cut seed {cut_seed})"
