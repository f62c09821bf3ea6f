"""What every backend must do. A backend joins with a subclass and a `harness` fixture; it overrides no test."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from orchestrator.core.checkpoint.start import choose_carrier
from orchestrator.core.errors import BadInput, NotYet
from orchestrator.core.run.request import RunRequest
from orchestrator.core.session.backend_types import CheckpointSet, Handle, Observation, Push, SessionState
from orchestrator.core.session.script import render_kernel
from orchestrator.core.session.spec import SessionSpec, write_ticket
from orchestrator.kernel.files.digests import file_entry
from orchestrator.kernel.session.manifest import read_manifest
from orchestrator.kernel.wire import parse_report
from orchestrator.ports import Backend
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.stores.session.code_bundle import CodeStore
from tests.doubles.packs import SeedSessions
from tests.doubles.toy_section import set_behaviour

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class BackendHarness:
    """A backend, a toy project, and the steps of a session on them.

    Attributes:
        pause_s: Pause between two looks, of a backend whose looks would take the processor from its sessions.
    """

    backend: Backend
    project: Path
    pause_s: float = 0.0

    def push(self, *, session: int = 1, nonce: str = "1" * 32, checkpoints: CheckpointSet | None = None) -> Push:
        card = load_card(self.project / "configs/sections", "section_7_6")
        sizes = RunRequest(card=card, profile="quick").sizes(0)
        spec = SessionSpec(card=card, profile="quick", sizes=sizes, backend=self.backend.name)
        code = CodeStore(self.project)
        bundle = code.bundle(card)
        chosen = checkpoints or CheckpointSet(root=self.project, entries=())
        ticket = write_ticket(
            spec,
            run_id="contract",
            session=session,
            attempt=1,
            nonce=nonce,
            bundle_digest=bundle.digest,
            inputs=chosen.entries,
        )
        script = render_kernel(code.template(), ticket=ticket, bundle=bundle, title="t", version="0")
        carrier = choose_carrier(chosen, offered=self.backend.capabilities.carriers, fits_inline=False)
        slug = f"arz-validation-section-7-6-00000000-s{session:02d}"
        return self.backend.prepare(ticket, script, chosen, slug, carrier)

    def pack(self, *seeds: int, profile: str = "quick", checkpoints: Sequence[CheckpointSet] = ()) -> Push:
        """One push of the sessions with these seeds; `checkpoints` of each, none for a start from step 0."""
        sessions = SeedSessions(self.project, self.backend.name)
        chosen = list(checkpoints) or [CheckpointSet(root=self.project, entries=())] * len(seeds)
        done = 40 if checkpoints else 0
        tickets = [
            sessions.ticket(seed, profile=profile, done=done, models=models)
            for seed, models in zip(seeds, chosen, strict=True)
        ]
        carrier = partial(choose_carrier, offered=self.backend.capabilities.carriers, fits_inline=False)
        pushes = [
            self.backend.prepare(ticket, "", models, f"member-{number}", carrier(models))
            for number, (ticket, models) in enumerate(zip(tickets, chosen, strict=True), 1)
        ]
        return self.backend.pack(pushes, sessions.script(*tickets), f"arz-validation-section-7-6-pack-{profile}")

    def stage(self, push: Push) -> None:
        for _ in range(20):
            try:
                return self.backend.stage(push)
            except NotYet:
                continue
        raise AssertionError("staging does not finish")

    def run(self, push: Push) -> tuple[Handle, Observation]:
        self.stage(push)
        handle = self.backend.submit(push)
        return handle, self.wait(handle)

    def wait(self, handle: Handle) -> Observation:
        give_up_s = time.monotonic() + PATIENCE_S
        while not (observation := self.backend.observe(handle)).state.terminal:
            assert time.monotonic() < give_up_s, "the session did not end"
            time.sleep(self.pause_s)
        return observation


def members_of(handle: Handle, push: Push) -> list[Handle]:
    return [replace(handle, member=number) for number in range(1, len(push.sessions) + 1)]


class PackContract:
    """The tests of several sessions in one push; a subclass gives the fixture `harness`."""

    def test_each_session_of_a_pack_is_fetched_as_if_alone(self, harness: BackendHarness, tmp_path: Path) -> None:
        push = harness.pack(0, 1, 2)
        handle, _ = harness.run(push)
        for member, one in zip(members_of(handle, push), push.sessions, strict=True):
            for _ in range(2):
                retrieval = harness.backend.fetch(member, tmp_path / "out" / str(member.member))
                manifest = read_manifest(retrieval.folder)
                assert retrieval.missing == ()
                assert manifest is not None and manifest.stamp == one.ticket.stamp()
                assert (manifest.exit_code, manifest.outcome.steps_done) == (0, 40)
                listed = {entry.path for entry in manifest.files} | {"session_manifest.json", "kernel.log"}
                folder = retrieval.folder
                assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == listed
            assert harness.backend.observe(member).exit_code in (0, None)
            lines = [line for line, _ in harness.backend.follow(member, 0)]
            assert (folder / "kernel.log").read_text(encoding="utf-8").splitlines() == lines
            reports = [report for line in lines if (report := parse_report(line))]
            assert [one["steps"] for one in reports if one["kind"] == "progress"] == [10, 20, 30, 40]

    def test_one_dead_session_of_a_pack_does_not_touch_the_others(
        self, harness: BackendHarness, tmp_path: Path
    ) -> None:
        set_behaviour(harness.project, '{"2": {"do": "die_after_save"}}')
        push = harness.pack(0, 1)
        handle, _ = harness.run(push)
        ends = [harness.backend.observe(member) for member in members_of(handle, push)]
        folders = [
            harness.backend.fetch(member, tmp_path / "out" / str(member.member)).folder
            for member in members_of(handle, push)
        ]
        first, second = (read_manifest(folder) for folder in folders)
        assert first is not None and first.exit_code == 0 and second is None
        assert ends[0].exit_code in (0, None) and ends[1].exit_code in (137, None)
        assert list(folders[1].rglob("*_checkpoint_10_steps.zip")) != []

    def test_every_session_of_a_pack_is_found_and_read_back(self, harness: BackendHarness) -> None:
        push = harness.pack(0, 1)
        assert list(harness.backend.read_all(push.slug)) == []
        handle, _ = harness.run(push)
        members = members_of(handle, push)
        found = [harness.backend.find(one.ticket, push.slug) for one in push.sessions]
        assert found == members == [Handle.parse(str(member)) for member in members]
        assert harness.backend.find(replace(push.ticket, nonce="f" * 32), push.slug) is None
        read = harness.backend.read_all(push.slug)
        assert [(one.handle, one.ticket) for one in read] == [
            (member, one.ticket) for member, one in zip(members, push.sessions, strict=True)
        ]
        assert harness.backend.read(push.slug) == read[0]
        described = push.describe()
        assert [described["ticket"], *described["companions"]] == [one.ticket.to_json() for one in push.sessions]

    def test_each_session_of_a_pack_gets_its_own_checkpoints(self, harness: BackendHarness, tmp_path: Path) -> None:
        push = harness.pack(0, 1)
        handle, _ = harness.run(push)
        sets = []
        for member in members_of(handle, push):
            out = harness.backend.fetch(member, tmp_path / "out" / str(member.member)).folder
            models = out / "section_7_6_rl_performance/data/models"
            entries = tuple(file_entry(path, models) for path in sorted((models / "checkpoints").iterdir()))
            sets.append(CheckpointSet(root=models, entries=entries))
        again = harness.pack(0, 1, profile="full", checkpoints=sets)
        second, _ = harness.run(again)
        for member in members_of(second, again):
            folder = harness.backend.fetch(member, tmp_path / "again" / str(member.member)).folder
            manifest = read_manifest(folder)
            assert manifest is not None
            assert (manifest.outcome.steps_start, manifest.outcome.steps_done) == (40, 100)

    def test_one_session_of_a_pack_is_not_stopped_with_the_others_and_not_deleted_alone(
        self, harness: BackendHarness
    ) -> None:
        push = harness.pack(0, 1)
        handle, _ = harness.run(push)
        member = members_of(handle, push)[1]
        assert harness.backend.stops_alone(handle)
        if harness.backend.stops_alone(member):
            harness.backend.cancel(member)  # it has ended: nothing happens
        else:
            with pytest.raises(BadInput, match=r"session 2 of .* cannot be stopped alone"):
                harness.backend.cancel(member)
        with pytest.raises(BadInput):
            harness.backend.delete(member)
        assert len(harness.backend.read_all(push.slug)) == 2


class BackendContract(PackContract):
    """All tests; a subclass gives the fixture `harness`."""

    def test_session_runs_from_push_to_manifest(self, harness: BackendHarness, tmp_path: Path) -> None:
        push = harness.push()
        handle, observation = harness.run(push)
        retrieval = harness.backend.fetch(handle, tmp_path / "out" / "x")
        manifest = read_manifest(retrieval.folder)
        assert manifest is not None
        assert retrieval.missing == ()
        assert manifest.stamp == push.ticket.stamp()
        assert manifest.outcome.steps_done == 40
        assert observation.exit_code in (0, None)

    def test_prepare_sends_nothing(self, harness: BackendHarness) -> None:
        push = harness.push()
        assert harness.backend.find(push.ticket, push.slug) is None
        assert push.describe()["private"] is True

    def test_stage_may_be_repeated(self, harness: BackendHarness) -> None:
        push = harness.push()
        harness.backend.stage(push)
        harness.backend.stage(push)
        handle = harness.backend.submit(push)
        assert harness.wait(handle).state is SessionState.ENDED

    def test_submitted_session_is_found_only_by_its_nonce(self, harness: BackendHarness) -> None:
        push = harness.push()
        handle, _ = harness.run(push)
        assert harness.backend.find(push.ticket, push.slug) == handle
        assert harness.backend.find(replace(push.ticket, nonce="2" * 32), push.slug) is None

    def test_ticket_is_read_back_by_slug_alone(self, harness: BackendHarness) -> None:
        assert harness.backend.read(harness.push().slug) is None
        earliest = datetime.now(UTC) - timedelta(seconds=2)  # the backend may round to whole seconds
        push = harness.push()
        handle, _ = harness.run(push)
        existing = harness.backend.read(push.slug)
        assert existing is not None and (existing.handle, existing.ticket) == (handle, push.ticket)
        assert existing.begun_at is not None and earliest <= existing.begun_at <= datetime.now(UTC)

    def test_names_are_listed_by_prefix(self, harness: BackendHarness) -> None:
        assert list(harness.backend.names("arz-validation-")) == []
        slugs = set()
        for session in range(1, 4):
            push = harness.push(session=session, nonce=str(session) * 32)
            harness.run(push)
            slugs.add(push.slug)
        assert set(harness.backend.names("arz-validation-section-7-6-")) == slugs
        assert set(harness.backend.names("arz-validation-section-7-6-00000000-s03")) == {push.slug}
        assert list(harness.backend.names("arz-validation-section-7-3-")) == []

    def test_handle_survives_conversion_to_text(self, harness: BackendHarness) -> None:
        handle, observation = harness.run(harness.push())
        assert harness.backend.observe(Handle.parse(str(handle))) == observation

    def test_repeated_fetch_gives_the_same_files_and_removes_others(
        self, harness: BackendHarness, tmp_path: Path
    ) -> None:
        handle, _ = harness.run(harness.push())
        folder = tmp_path / "out" / "x"
        harness.backend.fetch(handle, folder)
        before = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        (folder / "old_result.csv").write_text("stale", encoding="utf-8")
        harness.backend.fetch(handle, folder)
        assert {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before

    def test_killed_session_ends_without_success(self, harness: BackendHarness, tmp_path: Path) -> None:
        set_behaviour(harness.project, '{"*": {"do": "vanish"}}')
        handle, observation = harness.run(harness.push())
        assert observation.state is SessionState.ENDED
        assert observation.exit_code != 0
        assert read_manifest(harness.backend.fetch(handle, tmp_path / "out" / "x").folder) is None

    def test_failing_section_gives_exit_code_1(self, harness: BackendHarness, tmp_path: Path) -> None:
        set_behaviour(harness.project, '{"*": {"do": "raise"}}')
        handle, observation = harness.run(harness.push())
        manifest = read_manifest(harness.backend.fetch(handle, tmp_path / "out" / "x").folder)
        assert manifest is not None
        assert manifest.exit_code == 1
        assert observation.exit_code in (1, None)

    def test_log_is_followed_once_from_any_cursor(self, harness: BackendHarness) -> None:
        handle, _ = harness.run(harness.push())
        events = list(harness.backend.follow(handle, 0))
        lines, cursor = [line for line, _ in events], events[-1][1]
        steps = [report["steps"] for line in lines if (report := parse_report(line)) and report["kind"] == "progress"]
        assert steps == [10, 20, 30, 40]
        assert list(harness.backend.follow(handle, cursor)) == []
        assert list(harness.backend.follow(handle, events[0][1])) == events[1:]

    def test_checkpoints_reach_the_kernel_by_digest(self, harness: BackendHarness, tmp_path: Path) -> None:
        first, _ = harness.run(harness.push())
        out = harness.backend.fetch(first, tmp_path / "out" / "x").folder
        models = out / "section_7_6_rl_performance/data/models"
        entries = tuple(file_entry(path, models) for path in sorted((models / "checkpoints").iterdir()))
        push = harness.push(session=2, nonce="2" * 32, checkpoints=CheckpointSet(root=models, entries=entries))
        second, _ = harness.run(push)
        manifest = read_manifest(harness.backend.fetch(second, tmp_path / "out" / "y").folder)
        assert manifest is not None
        assert manifest.outcome.steps_start == 40

    def test_unknown_session_is_not_ended(self, harness: BackendHarness) -> None:
        unknown = Handle(backend=harness.backend.name, owner="local", slug="never-was")
        assert not harness.backend.observe(unknown).state.terminal

    def test_cancel_ends_a_running_session(self, harness: BackendHarness) -> None:
        if not harness.backend.capabilities.can_cancel:
            pytest.skip("this backend cannot cancel")
        entry = harness.project / "validation_ch7/section_7_6_rl_performance/entry.py"
        text = entry.read_text(encoding="utf-8").replace(
            "        if context.must_leave or",
            "        import time\n        while not context.must_leave: time.sleep(0.02)\n"
            "        if context.must_leave or",
        )
        entry.write_text(text, encoding="utf-8")
        push = harness.push()
        harness.backend.stage(push)
        handle = harness.backend.submit(push)
        while not harness.backend.lines_so_far(handle):
            assert not harness.backend.observe(handle).state.terminal
        harness.backend.cancel(handle)
        harness.backend.cancel(handle)
        assert harness.wait(handle).state is SessionState.ENDED
