"""The Kaggle backend on a virtual clock: one kernel despite lost answers, few calls per hour, a prompt end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from orchestrator.backends.kaggle.backend import VISIBILITY_S, KaggleBackend
from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.retry import Retry
from orchestrator.backends.kaggle.session.checkpoint_dataset import CheckpointDataset
from orchestrator.core.errors import BadInput, NameTaken, NotYet, OutcomeUnknown
from orchestrator.core.ledger.events import Event
from orchestrator.core.run.request import RunRequest
from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.core.session.backend_types import Carrier, CheckpointSet, Push, SessionState
from orchestrator.core.session.spec import SessionSpec, write_ticket
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.session.submit import confirm_submission, session_spec, submit_session, wait_out
from orchestrator.pipeline.session.watch import watch
from orchestrator.stores.section.card_yaml import load_card
from tests.conftest import PROJECT_ROOT
from tests.doubles.clock import FakeClock
from tests.doubles.narrator import Listener
from tests.doubles.virtual_kaggle import VirtualKaggle


@dataclass
class BackendBench:
    """A backend over a virtual Kaggle, with the objects that the pipeline needs."""

    api: VirtualKaggle
    clock: FakeClock
    backend: KaggleBackend
    listener: Listener
    events: list[Event] = field(default_factory=list)

    @property
    def context(self) -> RunContext:
        this = self
        methods = {"record": lambda _, event: this.events.append(event), "session": lambda _, key: None}
        ledger = type("Book", (), methods)()
        unused: Any = None
        return RunContext(
            backend=self.backend,
            clock=self.clock,
            ledger=cast(Any, ledger),
            models=unused,
            results=unused,
            code=unused,
            narrator=self.listener,
            draw_token=lambda: "0" * 32,
            version="0",
        )

    def push(self, *, session: int = 1, nonce: str = "n" * 32) -> Push:
        card = load_card(PROJECT_ROOT / "configs/sections", "section_7_6")
        sizes = RunRequest(card=card, profile="quick").sizes(0)
        spec = SessionSpec(card=card, profile="quick", sizes=sizes, backend="kaggle")
        ticket = write_ticket(
            spec, run_id="r", session=session, attempt=1, nonce=nonce, bundle_digest="b" * 64, inputs=()
        )
        checkpoints = CheckpointSet(root=Path(), entries=())
        return self.backend.prepare(ticket, f"# {nonce}", checkpoints, f"arz-s{session:02d}", Carrier.NONE)


def new_bench(**traits: Any) -> BackendBench:
    clock = FakeClock()
    api = VirtualKaggle(clock, **traits)
    retry = Retry(clock, lambda low, high: high)
    backend = KaggleBackend(cast(KaggleApi, api), cast(CheckpointDataset, None), KaggleSettings(), retry)
    return BackendBench(api, clock, backend, Listener())


@pytest.mark.parametrize("lose", [[], ["after"], ["before"], ["before", "after"], ["before", "before"]])
@pytest.mark.parametrize("hidden_s", [0.0, 30.0])
def test_lost_answers_lead_to_exactly_one_kernel(lose: Sequence[str], hidden_s: float) -> None:
    bench = new_bench(lose=list(lose), hidden_s=hidden_s)
    push = bench.push()
    handle = submit_session(bench.context, push)
    assert bench.api.pushes == 1
    assert handle.slug == push.slug
    assert [event.kind.value for event in bench.events] == ["session_planned", "session_submitted"]


@pytest.mark.parametrize("lose", [[], ["after"], ["before", "after"]])
def test_a_kernel_that_the_service_names_otherwise_is_found_by_its_nonce(lose: Sequence[str]) -> None:
    bench = new_bench()
    submit_session(bench.context, bench.push(session=1, nonce="1" * 32))
    push = bench.push(session=2)
    bench.api.lose, bench.api.renames = list(lose), {push.slug: "notebook0a1b2c"}
    assert submit_session(bench.context, push).slug == "notebook0a1b2c"
    assert bool(lose) is any("The answer to the push was lost (" in line for line in bench.listener.lines)
    assert bench.api.pushes == 2


def test_the_intent_is_written_before_the_submit() -> None:
    bench = new_bench(lose=["before"] * 3)
    with pytest.raises(OutcomeUnknown):
        submit_session(bench.context, bench.push())
    assert [event.kind.value for event in bench.events] == ["session_planned"]
    assert bench.events[0].durable


def test_a_kernel_counts_as_absent_only_after_the_visibility_window() -> None:
    bench = new_bench(hidden_s=30.0)
    push = bench.push()
    bench.backend.submit(push)
    assert bench.backend.find(push.ticket, push.slug) is None
    assert confirm_submission(bench.context, push.ticket, push.slug, bench.clock.now()) is not None
    bench = new_bench()
    assert confirm_submission(bench.context, push.ticket, push.slug, bench.clock.now()) is None
    assert f"Looking for {push.slug}: it may take up to 90 s to show" in bench.listener.lines
    assert VISIBILITY_S <= bench.clock.slept_s <= VISIBILITY_S + 10.0


def test_full_slots_and_a_spent_quota_are_reported_and_waited_for() -> None:
    bench = new_bench(
        refuse=["Maximum batch GPU session count of 2 reached.", "Maximum weekly GPU quota of 30.00 hours reached."],
        left_s=0.0,
        refresh_after_s=48 * 3600.0,
    )
    submit_session(bench.context, bench.push())
    assert bench.api.pushes == 1
    assert 48 * 3600.0 <= bench.clock.slept_s <= 48 * 3600.0 + 300.0
    shown = "\n".join(bench.listener.lines)
    assert "session count of 2" in shown
    assert "2026-01-03 00:00 UTC" in shown


@pytest.mark.parametrize(("asked_s", "slept_s"), [(30.0, 30.0), (3600.0, 900.0), (86_400.0, 900.0)])
def test_a_push_is_tried_again_within_a_quarter_of_an_hour(asked_s: float, slept_s: float) -> None:
    bench = new_bench()
    wait_out(bench.context, NotYet("Kaggle, push: HTTP 429", wait_s=asked_s))
    assert bench.clock.slept_s == slept_s
    said = "Waiting: Kaggle, push: HTTP 429" + ("; trying again in 15 min" if slept_s == 900.0 else "")
    assert bench.listener.lines == [said]


def test_a_bad_request_stops_with_the_services_message() -> None:
    bench = new_bench(refuse=["Notebook not found"])
    with pytest.raises(BadInput, match="Notebook not found"):
        submit_session(bench.context, bench.push())
    assert bench.api.calls["save_kernel"] == 1


def test_a_name_that_holds_another_session_is_never_overwritten() -> None:
    bench = new_bench()
    submit_session(bench.context, bench.push(nonce="1" * 32))
    with pytest.raises(NameTaken):
        submit_session(bench.context, bench.push(nonce="2" * 32))
    assert bench.api.pushes == 1
    assert len(bench.events) == 2


def test_a_kernel_hour_needs_few_calls_and_its_end_is_seen_within_a_minute() -> None:
    bench = new_bench(runs_s=3600.0, queued_s=40.0, hidden_s=10.0)
    handle = submit_session(bench.context, bench.push())
    bench.api.calls.clear()
    observation = watch(bench.context, handle)
    assert observation.state is SessionState.ENDED
    calls = sum(bench.api.calls.values())
    late_s = bench.clock.slept_s - (3600.0 + 50.0)
    print(f"calls per kernel-hour {calls} {dict(bench.api.calls)}, end seen {late_s:.0f} s late")
    assert 0 <= late_s <= 60.0
    assert calls <= 20


def test_no_log_line_is_repeated_after_a_reconnect() -> None:
    bench = new_bench(runs_s=900.0, stream_lasts_s=100.0)
    watch(bench.context, submit_session(bench.context, bench.push()))
    steps = [report["steps"] for report in bench.listener.reports if report["kind"] == "progress"]
    assert steps == list(range(15, 901, 15))


def test_a_live_log_that_stays_open_hides_the_end_for_ten_minutes_at_most() -> None:
    bench = new_bench(runs_s=900.0, stream_lasts_s=1e6, never_ends_log=True)
    observation = watch(bench.context, submit_session(bench.context, bench.push()))
    assert observation.state is SessionState.ENDED
    assert bench.clock.slept_s < 900.0 + 2 * 610.0
    assert "asking again" not in bench.listener.text


def test_the_deadline_is_limited_by_the_remaining_quota() -> None:
    card = load_card(PROJECT_ROOT / "configs/sections", "section_7_6")
    request = RunRequest(card=card, profile="full")
    sizes = request.sizes(0)
    assert session_spec(new_bench().context, request, sizes).sizes.deadline_s == sizes.deadline_s
    assert session_spec(new_bench(left_s=7200.0).context, request, sizes).sizes.deadline_s == 7200.0
    assert session_spec(new_bench().context, request, sizes).to_json()["device"] == "auto"
