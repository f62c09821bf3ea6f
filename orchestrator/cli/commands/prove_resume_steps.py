"""The acts of `prove-resume`: three trainings of one lineage through a backend, each in a folder of its own."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from orchestrator.core.diagnostics.resume_proof import CHAIN, STRAIGHT, CutPlan, End, Proof, default_steps, draw_cuts
from orchestrator.core.errors import RunFailed
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.card import Profile, SectionCard
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.wire import CHECKPOINTS, Ticket, checkpoint_steps
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.runner import execute
from orchestrator.pipeline.run.single_session import run_single_session
from orchestrator.ports import Narrator
from orchestrator.stores.project import Project
from orchestrator.stores.session.proof_result import read_ends
from orchestrator.wiring import assemble, make_backend

PROOF_MODULE = "proof"
"""Name of the module beside a section's entry point whose `run` does a session's part of the proof."""

_DEADLINE_S = 3_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofWorkspace:
    """Where a proof is made, and of what.

    Attributes:
        folder: Holds everything that the proof writes; the user's models directory and ledger are elsewhere.
        card: The section's, its algorithm and seed chosen.
        plan: Where the chain is cut.
    """

    project: Project
    folder: Path
    card: SectionCard
    backend: str
    plan: CutPlan
    narrator: Narrator

    @contextmanager
    def run_context(self, name: str) -> Iterator[RunContext]:
        """A pipeline in a state folder of its own."""
        place = Project(code=self.project.code, state=self.folder / name)
        with assemble(place, self.card, make_backend(self.backend, place, self.card), self.narrator) as run_context:
            yield run_context

    def request(self, way: str, target_steps: int, seams: Sequence[int] = ()) -> RunRequest:
        """The request of one of the proof's runs.

        Args:
            way: `straight`, `chain` or `usual`.
            target_steps: Where it ends.
            seams: Where the controls save and load.
        """
        plan = self.plan
        chained = way == CHAIN
        block = {
            "way": way,
            "kill_session": plan.kill_session if chained else 0,
            "kill_at_steps": plan.kill_at_steps if chained else 0,
            "seams": list(seams),
        }
        return RunRequest(card=self.card, profile="quick", target_steps=target_steps, proof=block)


def plan_of(card: SectionCard, *, cuts: int, steps: int | None, seed: int) -> CutPlan:
    """The cuts that a seed stands for.

    Raises:
        BadInput: There is not room for so many.
    """
    settings = card.hyper_parameters
    target_steps = default_steps(settings.rollout_steps, cuts) if steps is None else steps
    return draw_cuts(
        random.Random(f"{seed} {card.algorithm}").randrange,
        cuts=cuts,
        target_steps=target_steps,
        rollout_steps=settings.rollout_steps,
        n_envs=settings.n_envs,
    )


def proof_card(card: SectionCard, plan: CutPlan) -> SectionCard:
    """The section's own training, shorter, ending in digests instead of a comparison."""
    sizes = Profile(
        target_steps=plan.target_steps,
        checkpoint_every_steps=plan.save_every_steps,
        evaluate_every_steps=max(1, plan.target_steps // 2),
        evaluation_scenarios=1,
        deadline_s=_DEADLINE_S,
    )
    package = card.entry_point.rpartition(".")[0]
    return replace(card, entry_point=f"{package}.{PROOF_MODULE}", profiles={"quick": sizes, "full": sizes})


def prove(ground: ProofWorkspace) -> Proof:
    """Train straight, in a chain and with the usual ways to resume, and lay the ends side by side.

    Raises:
        RunFailed: A training did not reach its end, so that there is nothing to compare.
        RemoteUnavailable: The backend is away.
    """
    straight, faults = _straight(ground)
    chain, records = _chain(ground)
    seams = sorted({_began_at(record) for record in records} - {0})
    controls = _alone(ground, "usual", seams)[0]
    after_kill = next((after for one, after in itertools.pairwise(records) if _killed(one)), None)
    return Proof(
        algorithm=ground.card.algorithm,
        plan=ground.plan,
        straight=straight,
        chain=chain,
        controls=controls,
        sessions=len(records),
        went_on_from=_began_at(after_kill) if after_kill else 0,
        grades=tuple(record.resume_grade for record in records if record.resume_grade),
        faults=(*faults, *_chain_faults(ground.plan, records)),
    )


def _alone(
    ground: ProofWorkspace, way: str, seams: Sequence[int] = ()
) -> tuple[tuple[End, ...], RunContext, Path, Ticket]:
    with ground.run_context(way) as run_context:
        closed, ticket = run_single_session(run_context, ground.request(way, ground.plan.target_steps, seams))
        if closed.judgement.end_reason is not EndReason.FINISHED or closed.judgement.problems:
            raise _ended(way, closed.judgement.end_reason.value, closed.judgement.error, closed.results_dir)
        return read_ends(closed.results_dir, ticket), run_context, closed.results_dir, ticket


def _straight(ground: ProofWorkspace) -> tuple[End, tuple[str, ...]]:
    """The straight training, and whatever says that it saved or loaded."""
    ends, run_context, folder, ticket = _alone(ground, STRAIGHT)
    manifest, _ = run_context.results.manifest(folder)
    saved = [entry.path for entry in manifest.files if f"/{CHECKPOINTS}/" in entry.path] if manifest else []
    faults = [f"the straight training saved {path}" for path in saved]
    if ticket.inputs or manifest is None or manifest.inputs or manifest.outcome.resumed_from:
        faults.append("the straight training was given a checkpoint")
    return ends[0], tuple(faults)


def _chain(ground: ProofWorkspace) -> tuple[End, Sequence[SessionRecord]]:
    """The chain: run after run raises the target to the next cut; the killed session is found and gone on from."""
    plan, reached = ground.plan, ""
    with ground.run_context(CHAIN) as run_context:
        for target_steps in (*plan.orderly, plan.target_steps):
            summary = execute(run_context, ground.request(CHAIN, target_steps))
            if summary.end_reason != EndReason.FINISHED or summary.steps_done != target_steps:
                how = f"{summary.end_reason} at {summary.steps_done} steps"
                raise _ended(CHAIN, how, None, run_context.models.view().root)
            reached = str(summary.results_dir)
        records = run_context.ledger.sessions(ground.card.lineage.id)
        (end,) = read_ends(Path(reached), Ticket.from_json(records[-1].ticket))
    return end, records


def _killed(record: SessionRecord) -> bool:
    return record.end_reason == EndReason.CRASHED


def _began_at(record: SessionRecord) -> int:
    """Steps of the newest checkpoint that a session was given, 0 without one; a killed session tells nothing itself."""
    stems = [PurePosixPath(entry.path).stem for entry in Ticket.from_json(record.ticket).inputs]
    return max((steps for stem in stems if (steps := checkpoint_steps(stem)) is not None), default=0)


def _chain_faults(plan: CutPlan, records: Sequence[SessionRecord]) -> Iterator[str]:
    """Whether the chain was cut as it was meant to be: a chain that was not cut proves nothing."""
    killed = [record for record in records if _killed(record)]
    if len(killed) != 1:
        yield f"the chain has {len(killed)} killed sessions instead of 1"
    if len(records) != plan.sessions:
        yield f"the chain took {len(records)} sessions instead of {plan.sessions}"
    began = {_began_at(record) for record in records}
    yield from (f"no session went on from {steps} steps" for steps in plan.orderly if steps not in began)


def _ended(way: str, how: str, error: str | None, where: Any) -> RunFailed:
    told = f": {error.rstrip().splitlines()[-1]}" if error else ""
    return RunFailed(f"the {way} training of the proof ended as {how}{told}", remedy=f"Read the log below {where}.")
