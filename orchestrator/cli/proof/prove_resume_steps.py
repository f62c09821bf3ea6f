"""The trainings of `prove-resume`: one session, a cut chain, and controls, each in its own state folder."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from orchestrator.core.diagnostics.resume_proof import CHAIN, STRAIGHT, CutPlan, End, Proof, default_steps, draw_cuts
from orchestrator.core.errors import BadInput, RunFailed
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.card import Profile, SectionCard
from orchestrator.core.session.end_reason import EndReason
from orchestrator.kernel.wire import CHECKPOINTS, Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.runner import execute
from orchestrator.pipeline.run.single_session import run_single_session
from orchestrator.ports import Narrator
from orchestrator.stores.project import Project
from orchestrator.stores.session.proof_result import read_ends
from orchestrator.wiring import assemble, make_backend

PROOF_MODULE = "proof"
"""Module beside a section's entry point; its `run` does one session of the proof."""

_DEADLINE_S = 3_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofWorkspace:
    """Where the proof of one algorithm runs, and what it trains.

    Attributes:
        folder: Holds everything that the proof writes, apart from the user's models directory and ledger.
        card: The section's card with the algorithm and the sizes of the proof.
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
        """A pipeline with its own state folder."""
        place = replace(self.project, state=self.folder / name)
        with assemble(place, self.card, make_backend(self.backend, place, self.card), self.narrator) as run_context:
            yield run_context

    def request(self, way: str, target_steps: int, seams: Sequence[int] = ()) -> RunRequest:
        """The request of one run of the proof.

        Args:
            way: `straight`, `chain` or `usual`.
            target_steps: Steps at which it ends.
            seams: Steps at which the controls save and load.
        """
        plan = self.plan
        in_chain = way == CHAIN
        block = {
            "way": way,
            "kill_session": plan.kill_session if in_chain else 0,
            "kill_at_steps": plan.kill_at_steps if in_chain else 0,
            "seams": list(seams),
        }
        return RunRequest(card=self.card, profile="quick", target_steps=target_steps, proof=block)


def plan_of(card: SectionCard, *, cuts: int, steps: int | None, seed: int) -> CutPlan:
    """Draw the cuts of a seed.

    Raises:
        BadInput: The training is too short for so many cuts, or has no algorithm.
    """
    settings = card.hyper_parameters
    if settings is None:
        raise BadInput(
            f"{card.section} declares no algorithm, so there is no resume of stable-baselines3 to prove",
            remedy="Declare algorithm, network and algorithms in its card.",
        )
    target_steps = default_steps(settings.rollout_steps, cuts) if steps is None else steps
    return draw_cuts(
        random.Random(f"{seed} {card.algorithm}").randrange,
        cuts=cuts,
        target_steps=target_steps,
        rollout_steps=settings.rollout_steps,
        n_envs=settings.n_envs,
    )


def proof_card(card: SectionCard, plan: CutPlan) -> SectionCard:
    """The section's own training, shortened, with digests of the final state instead of an evaluation."""
    sizes = Profile(
        target_steps=plan.target_steps,
        checkpoint_every_steps=plan.save_every_steps,
        evaluate_every_steps=max(1, plan.target_steps // 2),
        evaluation_scenarios=1,
        deadline_s=_DEADLINE_S,
    )
    beside = ".".join((*card.code_folder.parts, PROOF_MODULE))
    return replace(card, entry_point=beside, script=None, profiles={"quick": sizes, "full": sizes})


def proof_file(card: SectionCard) -> PurePosixPath | None:
    """Path of a section's proof module below the project; None for a section without an algorithm."""
    return card.code_folder / f"{PROOF_MODULE}.py" if card.algorithm else None


def newest_identity(workspace: ProofWorkspace) -> Mapping[str, Any]:
    """Identity in the newest checkpoint of the chain.

    Raises:
        RunFailed: The chain left none.
    """
    with workspace.run_context(CHAIN) as run_context:
        latest = run_context.models.view().latest
    if latest is None:
        raise RunFailed("the chain left no checkpoint", remedy="Run the same command again with --keep FOLDER.")
    return latest.identity


def prove(workspace: ProofWorkspace) -> Proof:
    """Train in one session, in a chain and with the usual ways to resume, and compare the ends.

    Raises:
        RunFailed: A training did not reach its end, so there is nothing to compare.
        RemoteUnavailable: The backend cannot be reached.
    """
    straight, faults = _straight(workspace)
    chain, records = _chain(workspace)
    seams = sorted({record.input_steps for record in records} - {0})
    controls = _single(workspace, "usual", seams)[0]
    after_kill = next((after for one, after in itertools.pairwise(records) if _killed(one)), None)
    return Proof(
        algorithm=str(workspace.card.algorithm),
        plan=workspace.plan,
        straight=straight,
        chain=chain,
        controls=controls,
        sessions=len(records),
        went_on_from=after_kill.input_steps if after_kill else 0,
        grades=tuple(record.resume_grade for record in records if record.resume_grade),
        faults=(*faults, *_chain_faults(workspace.plan, records)),
    )


def _single(
    workspace: ProofWorkspace, way: str, seams: Sequence[int] = ()
) -> tuple[tuple[End, ...], RunContext, Path, Ticket]:
    with workspace.run_context(way) as run_context:
        closed, ticket = run_single_session(run_context, workspace.request(way, workspace.plan.target_steps, seams))
        if closed.judgement.end_reason is not EndReason.FINISHED or closed.judgement.problems:
            raise _failure(way, closed.judgement.end_reason.value, closed.judgement.error, closed.results_dir)
        return read_ends(closed.results_dir, ticket), run_context, closed.results_dir, ticket


def _straight(workspace: ProofWorkspace) -> tuple[End, tuple[str, ...]]:
    """The end of the straight training, and a fault for each sign that it saved or loaded a checkpoint."""
    ends, run_context, folder, ticket = _single(workspace, STRAIGHT)
    manifest, _ = run_context.results.manifest(folder)
    saved = [entry.path for entry in manifest.files if f"/{CHECKPOINTS}/" in entry.path] if manifest else []
    faults = [f"the straight training saved {path}" for path in saved]
    if ticket.inputs or manifest is None or manifest.inputs or manifest.outcome.resumed_from:
        faults.append("the straight training was given a checkpoint")
    return ends[0], tuple(faults)


def _chain(workspace: ProofWorkspace) -> tuple[End, Sequence[SessionRecord]]:
    """The end of the chain, and its sessions: each run continues to the next cut."""
    plan, results_dir = workspace.plan, ""
    with workspace.run_context(CHAIN) as run_context:
        for target_steps in (*plan.orderly, plan.target_steps):
            summary = execute(run_context, workspace.request(CHAIN, target_steps))
            if summary.end_reason != EndReason.FINISHED or summary.steps_done != target_steps:
                how = f"{summary.end_reason} at {summary.steps_done} steps"
                raise _failure(CHAIN, how, None, run_context.models.view().root)
            results_dir = str(summary.results_dir)
        records = run_context.ledger.sessions(workspace.card.lineage.id)
        (end,) = read_ends(Path(results_dir), Ticket.from_json(records[-1].ticket))
    return end, records


def _killed(record: SessionRecord) -> bool:
    return record.end_reason == EndReason.CRASHED


def _chain_faults(plan: CutPlan, records: Sequence[SessionRecord]) -> Iterator[str]:
    """A fault for each way in which the chain was not cut as planned: an uncut chain proves nothing."""
    killed = [record for record in records if _killed(record)]
    if len(killed) != 1:
        yield f"the chain has {len(killed)} killed sessions instead of 1"
    if len(records) != plan.sessions:
        yield f"the chain took {len(records)} sessions instead of {plan.sessions}"
    starts = {record.input_steps for record in records}
    yield from (f"no session continued from {steps} steps" for steps in plan.orderly if steps not in starts)


def _failure(way: str, how: str, error: str | None, where: Any) -> RunFailed:
    reason = f": {error.rstrip().splitlines()[-1]}" if error else ""
    return RunFailed(f"the {way} training of the proof ended as {how}{reason}", remedy=f"Read the log below {where}.")
