"""A chain that was not cut as planned is reported as faulty."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.cli.proof.prove_resume_steps import _chain_faults
from orchestrator.core.diagnostics.resume_proof import CutPlan
from orchestrator.core.ledger.records import SessionRecord, Stage
from orchestrator.kernel.wire import FileEntry
from tests.unit.kernel.makers import SCENARIO, make_ticket

PLAN = CutPlan(target_steps=100, orderly=(20, 60), kill_session=3, kill_at_steps=75, save_every_steps=10)


def record(session: int, began_at: int, end_reason: str = "finished") -> SessionRecord:
    stems = [f"{SCENARIO}_checkpoint_{steps}_steps" for steps in (began_at, began_at - 10) if steps > 0]
    suffixes = (".zip", ".json")  # the stem of a state file has a dot and is no checkpoint stem
    inputs = [
        FileEntry(path=f"checkpoints/{stem}{end}", size_bytes=1, sha256="0") for stem in stems for end in suffixes
    ]
    ticket = replace(
        make_ticket(), inputs=(*inputs, FileEntry(path="training_metadata.json", size_bytes=1, sha256="0"))
    )
    return SessionRecord(
        key=f"r/s{session}",
        run_id="r",
        lineage_id="l",
        session=session,
        attempt=1,
        slug="s",
        backend="local",
        nonce="n",
        ticket=ticket.to_json(),
        stage=Stage.CLOSED,
        planned_at="",
        end_reason=end_reason,
        steps_start=None if end_reason == "crashed" else began_at,
    )


WHOLE = [record(1, 0), record(2, 20), record(3, 60, "crashed"), record(4, 70)]


def test_a_killed_session_starts_from_its_input_checkpoint() -> None:
    assert [one.input_steps for one in WHOLE] == [0, 20, 60, 70]
    assert list(_chain_faults(PLAN, WHOLE)) == []


def test_a_chain_without_its_kill_or_without_a_cut_has_faults() -> None:
    survived = [*WHOLE[:2], record(3, 60)]
    assert list(_chain_faults(PLAN, survived)) == [
        "the chain has 0 killed sessions instead of 1",
        "the chain took 3 sessions instead of 4",
    ]
    skipped = [WHOLE[0], record(2, 30), *WHOLE[2:]]
    assert list(_chain_faults(PLAN, skipped)) == ["no session continued from 20 steps"]
