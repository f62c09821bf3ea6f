"""What every backend must do. A backend opts in with a subclass that gives the fixtures; nothing is overridden."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from orchestrator.core.checkpoint.transport import choose_carrier
from orchestrator.core.errors import NotYet
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
from tests.doubles.toy_section import set_behaviour

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Stall:
    """A backend over a toy project."""

    backend: Backend
    project: Path

    def push(self, *, session: int = 1, nonce: str = "1" * 32, checkpoints: CheckpointSet | None = None) -> Push:
        card = load_card(self.project / "configs/sections", "section_7_6")
        sizes = RunRequest(card=card, profile="quick").sizes(0)
        spec = SessionSpec(card=card, profile="quick", sizes=sizes, backend=self.backend.name)
        code = CodeStore(self.project)
        bundle = code.bundle()
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

    def stage(self, push: Push) -> None:
        for _ in range(20):
            try:
                return self.backend.stage(push)
            except NotYet:
                continue
        raise AssertionError("staging does not come to an end")

    def run(self, push: Push) -> tuple[Handle, Observation]:
        self.stage(push)
        handle = self.backend.submit(push)
        return handle, self.wait(handle)

    def wait(self, handle: Handle) -> Observation:
        give_up_s = time.monotonic() + PATIENCE_S
        while not (observation := self.backend.observe(handle)).state.terminal:
            assert time.monotonic() < give_up_s, "the session did not end"
        return observation


class BackendContract:
    """Subclass with a `stall` fixture."""

    def test_a_session_goes_the_whole_way(self, stall: Stall, tmp_path: Path) -> None:
        push = stall.push()
        handle, observation = stall.run(push)
        retrieval = stall.backend.fetch(handle, tmp_path / "out" / "x")
        manifest = read_manifest(retrieval.folder)
        assert manifest is not None
        assert retrieval.missing == ()
        assert manifest.stamp == push.ticket.stamp()
        assert manifest.outcome.steps_done == 40
        assert observation.exit_code in (0, None)

    def test_preparing_sends_nothing(self, stall: Stall) -> None:
        push = stall.push()
        assert stall.backend.find(push.ticket, push.slug) is None
        assert push.describe()["private"] is True

    def test_staging_may_be_repeated(self, stall: Stall) -> None:
        push = stall.push()
        stall.backend.stage(push)
        stall.backend.stage(push)
        handle = stall.backend.submit(push)
        assert stall.wait(handle).state is SessionState.ENDED

    def test_a_submitted_session_is_found_by_its_nonce_and_only_by_it(self, stall: Stall) -> None:
        push = stall.push()
        handle, _ = stall.run(push)
        assert stall.backend.find(push.ticket, push.slug) == handle
        assert stall.backend.find(replace(push.ticket, nonce="2" * 32), push.slug) is None

    def test_what_a_session_was_told_is_read_back_by_its_name_alone(self, stall: Stall) -> None:
        assert stall.backend.read(stall.push().slug) is None
        earliest = datetime.now(UTC) - timedelta(seconds=2)  # the far side may tell whole seconds
        push = stall.push()
        handle, _ = stall.run(push)
        existing = stall.backend.read(push.slug)
        assert existing is not None and (existing.handle, existing.ticket) == (handle, push.ticket)
        assert existing.begun_at is not None and earliest <= existing.begun_at <= datetime.now(UTC)

    def test_names_are_listed_by_how_they_begin_and_exactly(self, stall: Stall) -> None:
        assert list(stall.backend.names("arz-validation-")) == []
        slugs = set()
        for session in range(1, 4):
            push = stall.push(session=session, nonce=str(session) * 32)
            stall.run(push)
            slugs.add(push.slug)
        assert set(stall.backend.names("arz-validation-section-7-6-")) == slugs
        assert set(stall.backend.names("arz-validation-section-7-6-00000000-s03")) == {push.slug}
        assert list(stall.backend.names("arz-validation-section-7-3-")) == []

    def test_a_handle_is_text_and_outlives_the_object(self, stall: Stall) -> None:
        handle, observation = stall.run(stall.push())
        assert stall.backend.observe(Handle.parse(str(handle))) == observation

    def test_fetching_may_be_repeated_and_mixes_nothing_in(self, stall: Stall, tmp_path: Path) -> None:
        handle, _ = stall.run(stall.push())
        folder = tmp_path / "out" / "x"
        stall.backend.fetch(handle, folder)
        before = {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        (folder / "old_result.csv").write_text("stale", encoding="utf-8")
        stall.backend.fetch(handle, folder)
        assert {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before

    def test_a_session_that_dies_is_ended_and_is_no_success(self, stall: Stall, tmp_path: Path) -> None:
        set_behaviour(stall.project, '{"*": {"do": "vanish"}}')
        handle, observation = stall.run(stall.push())
        assert observation.state is SessionState.ENDED
        assert observation.exit_code != 0
        assert read_manifest(stall.backend.fetch(handle, tmp_path / "out" / "x").folder) is None

    def test_a_failing_section_has_a_failing_exit_code(self, stall: Stall, tmp_path: Path) -> None:
        set_behaviour(stall.project, '{"*": {"do": "raise"}}')
        handle, observation = stall.run(stall.push())
        manifest = read_manifest(stall.backend.fetch(handle, tmp_path / "out" / "x").folder)
        assert manifest is not None
        assert manifest.exit_code == 1
        assert observation.exit_code in (1, None)

    def test_the_log_is_told_once_and_from_any_cursor(self, stall: Stall) -> None:
        handle, _ = stall.run(stall.push())
        told = list(stall.backend.follow(handle, 0))
        lines, cursor = [line for line, _ in told], told[-1][1]
        steps = [report["steps"] for line in lines if (report := parse_report(line)) and report["kind"] == "progress"]
        assert steps == [10, 20, 30, 40]
        assert list(stall.backend.follow(handle, cursor)) == []
        assert list(stall.backend.follow(handle, told[0][1])) == told[1:]

    def test_checkpoints_reach_the_kernel_by_digest(self, stall: Stall, tmp_path: Path) -> None:
        first, _ = stall.run(stall.push())
        out = stall.backend.fetch(first, tmp_path / "out" / "x").folder
        models = out / "section_7_6_rl_performance/data/models"
        entries = tuple(file_entry(path, models) for path in sorted((models / "checkpoints").iterdir()))
        push = stall.push(session=2, nonce="2" * 32, checkpoints=CheckpointSet(root=models, entries=entries))
        second, _ = stall.run(push)
        manifest = read_manifest(stall.backend.fetch(second, tmp_path / "out" / "y").folder)
        assert manifest is not None
        assert manifest.outcome.steps_start == 40

    def test_what_never_was_is_not_ended(self, stall: Stall) -> None:
        ghost = Handle(backend=stall.backend.name, owner="local", slug="never-was")
        assert not stall.backend.observe(ghost).state.terminal

    def test_a_cancel_is_a_request_that_is_heard(self, stall: Stall) -> None:
        if not stall.backend.capabilities.can_cancel:
            pytest.skip("this backend cannot cancel")
        entry = stall.project / "validation_ch7/section_7_6_rl_performance/entry.py"
        text = entry.read_text(encoding="utf-8").replace(
            "        if context.must_leave or",
            "        import time\n        while not context.must_leave: time.sleep(0.02)\n"
            "        if context.must_leave or",
        )
        entry.write_text(text, encoding="utf-8")
        push = stall.push()
        stall.backend.stage(push)
        handle = stall.backend.submit(push)
        while not list(stall.backend.follow(handle, 0)):
            assert not stall.backend.observe(handle).state.terminal
        stall.backend.cancel(handle)
        stall.backend.cancel(handle)
        assert stall.wait(handle).state is SessionState.ENDED
