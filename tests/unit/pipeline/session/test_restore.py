"""Which checkpoints of a session replace those in place: the decision alone, with everything around it in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.core.checkpoint.inventory import CheckpointInventory, FetchedCheckpoints, Replaced
from orchestrator.core.ledger.records import RunRecord, SessionRecord, Stage
from orchestrator.kernel.checkpoint.card import Ancestor, CheckpointCard
from orchestrator.kernel.wire import FileEntry, Ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.restore import (
    has_only_recovered,
    loss_of_recovered,
    restore,
    restore_checkpoints_for_next_run,
    restored_files,
    up_to_date,
)
from tests.unit.kernel.makers import PLANNED, SCENARIO, make_ticket

ROOT, FOLDER = Path("/models"), Path("/results/ana_x-s02")
BEST = FileEntry(path="best_model/best_model.zip", size_bytes=5, sha256="e" * 64)


def card(steps: int, stamp: Mapping[str, Any] | None = None, *parents: CheckpointCard) -> CheckpointCard:
    stem = f"{SCENARIO}_checkpoint_{steps}_steps"
    return CheckpointCard(
        stem=stem,
        scenario=SCENARIO,
        steps=steps,
        files=(FileEntry(path=f"{stem}.zip", size_bytes=steps, sha256=f"{steps:064x}"),),
        identity={},
        stamp=stamp or make_ticket(spec=PLANNED).stamp(),
        saved_at="",
        ancestry=tuple(Ancestor(steps=one.steps, digest=one.digest) for one in parents),
    )


def files(*cards: CheckpointCard) -> tuple[FileEntry, ...]:
    return tuple(replace(one, path=f"checkpoints/{one.path}") for each in cards for one in each.files)


def inventory(*cards: CheckpointCard, **change: Any) -> CheckpointInventory:
    whole = CheckpointInventory(root=ROOT, verified=cards, faults={}, leftovers=(), entries=files(*cards))
    return replace(whole, **change)


def incoming(*cards: CheckpointCard, **change: Any) -> FetchedCheckpoints:
    return replace(FetchedCheckpoints(root=FOLDER, verified=cards, entries=files(*cards)), **change)


EARLIER = {**make_ticket(spec=PLANNED).stamp(), "session": 1, "nonce": "e" * 32}
OTHERS = {**make_ticket(spec=PLANNED).stamp(), "session": 9, "nonce": "o" * 32}
OLD, NEW = card(10, EARLIER), card(20)


def ticket(*given: FileEntry) -> Ticket:
    return make_ticket(spec=PLANNED, inputs=given)


def record(**change: Any) -> SessionRecord:
    whole = SessionRecord(
        key="run/s01a1",
        run_id="run",
        lineage_id="c" * 64,
        session=1,
        attempt=1,
        slug="x-s01",
        backend="kaggle",
        nonce="n" * 32,
        ticket=make_ticket(spec=PLANNED).to_json(),
        stage=Stage.CLOSED,
        planned_at="2026-01-01T00:00:00+00:00",
        handle="kaggle://ana/x-s01",
        results_dir=FOLDER.as_posix(),
    )
    return replace(whole, **change)


class Around:
    """The context of one restore.

    Attributes:
        placed: What was put in place, None if nothing was.
        said: Codes of the messages, and their lines.
    """

    def __init__(
        self,
        found: FetchedCheckpoints,
        there: CheckpointInventory,
        *,
        waits: bool = True,
        sessions: Sequence[SessionRecord] = (),
        fresh: bool = False,
        unchanged: bool = True,
        archived: tuple[str, ...] = (),
    ) -> None:
        self.placed: FetchedCheckpoints | None = None
        self.said: dict[str, tuple[str, ...]] = {}
        self.surveys = 0
        self._there, self._archived = there, archived
        run = cast(RunRecord, SimpleNamespace(fresh=fresh))
        sessions = list(sessions)
        self.context = cast(
            RunContext,
            SimpleNamespace(
                waits=waits,
                backend=SimpleNamespace(name="kaggle"),
                models=SimpleNamespace(view=self._view, unchanged=lambda one: unchanged, replace_with=self._replaced),
                results=SimpleNamespace(incoming=lambda folder, ticket: found),
                ledger=SimpleNamespace(
                    runs=lambda lineage_id: [run],
                    sessions=lambda lineage_id: sessions,
                    session=lambda key: next((one for one in sessions if one.key == key), None),
                ),
                warn=self._say,
                detail=self._say,
            ),
        )

    def _view(self) -> CheckpointInventory:
        self.surveys += 1
        return self._there

    def _replaced(self, found: FetchedCheckpoints, token: str, before: CheckpointInventory) -> Replaced:
        assert token == FOLDER.name and before == self._there
        self.placed = found
        after = inventory(*found.verified, archived=(*before.archived, *self._archived))
        return Replaced(inventory=after, archive=Path("/archive"))

    def _say(self, code: str, *lines: str) -> None:
        self.said[code] = lines

    def restore(self, given: Ticket | None = None) -> tuple[str, ...]:
        return restore(self.context, given or ticket(), FOLDER, self._there)[0]


def test_newer_checkpoints_of_a_session_replace_those_that_it_was_given() -> None:
    around = Around(incoming(NEW), inventory(OLD))
    names, after = restore(around.context, ticket(*files(OLD)), FOLDER, inventory(OLD))
    assert names == (f"{NEW.stem}.zip",) and after.steps == 20
    assert around.placed == incoming(NEW) and list(around.said) == ["restored"]


def test_the_entry_for_scripts_surveys_what_is_in_place() -> None:
    around = Around(incoming(NEW), inventory())
    assert restore_checkpoints_for_next_run(around.context, ticket(), FOLDER) == (f"{NEW.stem}.zip",)
    assert around.surveys == 1


def test_the_directory_is_surveyed_again_only_if_it_may_have_changed() -> None:
    same, changed = Around(incoming(), inventory(OLD)), Around(incoming(), inventory(OLD), unchanged=False)
    assert up_to_date(same.context, inventory()) == inventory() and same.surveys == 0
    assert up_to_date(changed.context, inventory()) == inventory(OLD) and changed.surveys == 1


def test_without_a_verified_checkpoint_nothing_is_restored() -> None:
    around = Around(incoming(faults={"x": "it is damaged"}), inventory(OLD))
    assert around.restore() == () and around.placed is None
    assert list(around.said) == ["nothing_restored"] and "it is damaged" in " ".join(around.said["nothing_restored"])


def test_damaged_checkpoints_beside_a_verified_one_are_reported() -> None:
    around = Around(incoming(NEW, card(15), faults={"x": "it is damaged"}), inventory(OLD))
    assert around.restore(ticket(*files(OLD))) and list(around.said) == ["walked_back", "restored"]
    assert f"{NEW.stem}.zip" in " ".join(around.said["walked_back"])


@pytest.mark.parametrize("steps", [20, 30])
def test_checkpoints_that_are_not_ahead_are_not_restored(steps: int) -> None:
    there = card(steps)
    around = Around(incoming(NEW), inventory(there))
    assert around.restore(ticket(*files(there))) == () and list(around.said) == ["kept_in_place"]


def test_at_equal_steps_a_file_that_is_not_in_place_decides() -> None:
    found = incoming(NEW, entries=(*files(NEW), BEST))
    assert Around(found, inventory(NEW)).restore(ticket(*files(NEW)))
    there = inventory(NEW, entries=(*files(NEW), BEST))
    assert Around(found, there).restore(ticket(*files(NEW))) == ()
    other = inventory(NEW, entries=(*files(NEW), replace(BEST, sha256="f" * 64)))
    assert Around(found, other).restore(ticket(*files(NEW)))


def test_checkpoints_that_the_user_put_in_place_meanwhile_stay() -> None:
    around = Around(incoming(NEW), inventory(card(15, OTHERS)))
    assert around.restore(ticket(*files(OLD))) == () and list(around.said) == ["others_in_place"]
    lines = " ".join(around.said["others_in_place"])
    assert "(15 steps)" in lines and "(20 steps)" in lines and FOLDER.as_posix() in lines


def test_an_earlier_checkpoint_of_the_session_itself_may_be_in_place() -> None:
    own = card(15)
    assert Around(incoming(NEW), inventory(own, OLD)).restore(ticket(*files(OLD)))
    for nonce in ("a", "x"):
        almost = card(15, {**make_ticket(spec=PLANNED).stamp(), "nonce": nonce})
        assert Around(incoming(NEW), inventory(almost, OLD)).restore(ticket(*files(OLD))) == ()


def test_files_beside_the_checkpoints_are_no_other_checkpoints() -> None:
    there = inventory(OLD, entries=(*files(OLD), BEST))
    assert Around(incoming(NEW), there).restore(ticket(*files(OLD)))


def test_nothing_is_restored_into_a_directory_that_the_user_emptied() -> None:
    around = Around(incoming(NEW), inventory())
    assert around.restore(ticket(*files(OLD))) == () and list(around.said) == ["emptied_meanwhile"]
    assert Around(incoming(NEW), inventory()).restore(ticket()), "the session was given nothing"


def test_a_directory_that_is_gone_or_damaged_was_not_emptied() -> None:
    given = ticket(*files(OLD))
    assert Around(incoming(NEW), inventory(exists=False)).restore(given)
    assert Around(incoming(NEW), inventory(faults={"x": "damaged"})).restore(given)
    assert Around(incoming(NEW), inventory(), waits=False).restore(given), "a tick runs without a user"


def test_recovered_sessions_may_lack_kernels_in_between() -> None:
    recovered = record(recovered=True, models_steps=15)
    there = inventory(card(15, OTHERS))
    given = ticket(*files(OLD))
    assert Around(incoming(NEW), there, sessions=[recovered]).restore(given)
    assert Around(incoming(NEW), there, sessions=[recovered], fresh=True).restore(given) == ()
    assert Around(incoming(NEW), there, sessions=[replace(recovered, models_steps=10)]).restore(given) == ()
    emptied = record(recovered=True, models_steps=0)
    assert Around(incoming(NEW), inventory(), sessions=[emptied]).restore(given)


def test_a_recovered_session_that_descends_from_what_is_in_place_continues_it() -> None:
    there = card(15, OTHERS)
    newer = card(20, None, OLD, there)
    given, pushed = ticket(*files(OLD)), record(recovered=False, models_steps=1)
    for waits, recovered, restored in ((True, True, True), (True, False, False), (False, False, True)):
        sessions = [replace(pushed, recovered=recovered), replace(pushed, key="run/s09a1", models_steps=99)]
        around = Around(incoming(newer, OLD), inventory(there), waits=waits, sessions=sessions)
        assert bool(around.restore(given)) is restored, (waits, recovered)
    assert Around(incoming(newer), inventory(there), waits=False).restore(given) == (), "the ledger does not know it"
    stranger = Around(incoming(NEW), inventory(there), waits=False, sessions=[pushed])
    assert stranger.restore(given) == ()


def test_a_damaged_directory_has_no_newest_checkpoint_to_descend_from() -> None:
    there = inventory(entries=files(card(5, OTHERS)), faults={"x": "damaged"})
    around = Around(incoming(NEW), there, waits=False, sessions=[record(models_steps=1)])
    assert around.restore(ticket(*files(OLD))) == () and list(around.said) == ["others_in_place"]


def test_own_files_that_had_to_move_are_named() -> None:
    there = inventory(OLD, own=("mine.zip",), archived=("/archive/a",))
    around = Around(incoming(NEW), there, archived=("/archive/b",))
    around.restore(ticket(*files(OLD)))
    assert "/archive/b" in " ".join(around.said["moved_aside"]) and "/archive/a" not in str(around.said)
    quiet = Around(incoming(NEW), inventory(OLD), archived=("/archive/b",))
    quiet.restore(ticket(*files(OLD)))
    assert "moved_aside" not in quiet.said


def test_the_restored_models_are_named_oldest_first() -> None:
    found = incoming(NEW, OLD, entries=(*files(NEW), *files(OLD), BEST))
    assert [(one.name, one.size_bytes) for one in restored_files(found)] == [
        (f"{OLD.stem}.zip", 10),
        (f"{NEW.stem}.zip", 20),
    ]


def lost(*sessions: SessionRecord, there: CheckpointInventory | None = None, **around: Any) -> str | None:
    there = there or inventory()
    found = around.pop("found", incoming())
    fault = loss_of_recovered(Around(found, there, sessions=sessions, **around).context, "c" * 64, there)
    return None if fault is None else str(fault)


def test_steps_of_recovered_sessions_that_are_not_in_place_are_no_fresh_start() -> None:
    trained = record(recovered=True, steps_done=40)
    assert "1 session(s)" in str(lost(trained)) and "up to 40 steps" in str(lost(trained))
    assert "kaggle" in str(lost(trained)) and "x-s01" in str(lost(trained))
    both = lost(trained, replace(trained, slug="x-s02", steps_done=None, steps_start=50))
    assert "2 session(s)" in str(both) and "up to 50 steps" in str(both) and "x-s02" in str(both)
    given = make_ticket(spec=PLANNED, inputs=files(card(70))).to_json()
    assert "up to 70 steps" in str(lost(replace(trained, ticket=given)))
    assert "up to 1 steps" in str(lost(replace(trained, steps_done=1)))


def test_without_recovered_steps_a_fresh_start_is_one() -> None:
    trained = record(recovered=True, steps_done=40)
    assert lost() is None
    assert lost(trained, there=inventory(OLD)) is None
    assert lost(trained, fresh=True) is None
    assert lost(record(recovered=False, steps_done=40)) is None
    assert lost(replace(trained, steps_done=0)) is None
    assert lost(replace(trained, steps_done=0, ticket=make_ticket(spec=PLANNED, inputs=(BEST,)).to_json())) is None
    assert lost(replace(trained, stage=Stage.SUBMITTED)) is None
    assert lost(replace(trained, models_steps=40)) is None


def test_a_killed_recovered_session_had_trained_if_it_left_a_damaged_checkpoint() -> None:
    killed = record(recovered=True)
    damaged = incoming(faults={"x": "damaged"})
    assert "with checkpoints" in str(lost(killed, found=damaged))
    assert lost(replace(killed, results_dir=None), found=damaged) is None
    assert lost(killed) is None


def test_only_recovered_checkpoints_are_in_place_unless_the_user_started_over() -> None:
    sessions = [record(recovered=True, models_steps=15)]
    assert has_only_recovered(Around(incoming(), inventory(), sessions=sessions).context, "c" * 64, 15)
    assert not has_only_recovered(Around(incoming(), inventory(), sessions=sessions).context, "c" * 64, 14)
    assert not has_only_recovered(Around(incoming(), inventory(), sessions=sessions, fresh=True).context, "c" * 64, 15)
