"""`cancel` on Kaggle: unmodified client, loopback service, real kernels that are killed and whose outputs are saved."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.backends.kaggle.session import live_log
from orchestrator.core.errors import BadInput, RemoteUnavailable
from orchestrator.core.ledger.records import AskedBy, SessionRecord, Stage
from orchestrator.core.session.backend_types import Handle
from orchestrator.kernel.wire import parse_report
from orchestrator.pipeline.control.cancel import Cancelled, cancel_sessions
from orchestrator.pipeline.search.pruning import prune_running
from orchestrator.pipeline.session.stop import ask_to_stop
from tests.acceptance.test_kaggle_commands import invoke
from tests.acceptance.test_kaggle_loop import KaggleProject
from tests.doubles.commands import environment
from tests.doubles.kaggle_side import (
    KEY,
    USER,
    FastForwardClock,
    ShortSleepClock,
    far_settings,
    loopback_variables,
    point_at_loopback,
)
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project, set_behaviour
from tests.emulator.kernels import FIRST_SESSION, Kernel
from tests.emulator.loopback import loopback_kaggle
from tests.marks import first_cases

CANCEL, ZIP, STATE, LISTING = (
    "CancelKernelSession",
    "DownloadKernelOutputZip",
    "GetKernelSessionStatus",
    "ListKernelSessionOutput",
)
OTHER, OTHER_KEY = "ben", "5ecre7-key-0f-ben"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleProject]:
    point_at_loopback(monkeypatch)
    monkeypatch.setattr(live_log, "SILENCE_S", 0.5)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        kaggle.accounts.add(OTHER, key=OTHER_KEY)
        yield KaggleProject(make_toy_project(tmp_path / "project"), kaggle, Listener(), ShortSleepClock())


def hold_after_first_save(project: KaggleProject) -> Path:
    """Make kernels wait after their first save until a file exists or they are asked to stop; returns its path."""
    gate = project.root / "gate"
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    mark = "        if context.must_leave or"
    wait = (
        f"        while not context.must_leave and not Path({str(gate)!r}).exists():\n"
        "            __import__('time').sleep(0.02)\n"
    )
    entry.write_text(entry.read_text("utf-8").replace(mark, wait + mark), "utf-8")
    return gate


def start(project: KaggleProject) -> Kernel:
    """A detached session that has saved once."""
    project.run(detach=True)
    kernel = next(iter(reversed(project.kaggle.kernels.all.values())))
    wait_until(lambda: "progress" in log_of(kernel))
    return kernel


def log_of(kernel: Kernel) -> str:
    return "".join(event["data"] for event in kernel.machine.events)


def wait_until(true: Any) -> None:
    give_up_s = time.monotonic() + 60
    while not true():
        assert time.monotonic() < give_up_s
        time.sleep(0.02)


def cancel(project: KaggleProject) -> Cancelled:
    with project.opened() as (card, context):
        (cancelled,) = cancel_sessions(context, card)
        return cancelled


def records(project: KaggleProject) -> list[SessionRecord]:
    with project.opened(only_look=True) as (card, context):
        return list(context.ledger.sessions(card.lineage.id))


def in_place(project: KaggleProject) -> list[int]:
    folder = project.root / "validation_ch7/section_7_6_rl_performance/data/models/checkpoints"
    return sorted(int(path.stem.rsplit("_", 2)[1]) for path in folder.glob("*.zip"))


@pytest.mark.parametrize(("grace_s", "end"), [(0.0, "cancelled"), (30.0, "stopped")])
def test_a_running_session_is_stopped_and_what_it_saved_is_put_in_place(
    project: KaggleProject, grace_s: float, end: str
) -> None:
    project.kaggle.settings.cancel_grace_s, project.kaggle.settings.cancel_looks = grace_s, 3
    gate = hold_after_first_save(project)
    kernel = start(project)
    cancelled = cancel(project)
    assert kernel.cancelled and kernel.ended.is_set()
    assert (cancelled.record.end_reason, cancelled.record.models_steps) == (end, 10)
    assert cancelled.record.session_id == kernel.session_id == FIRST_SESSION
    assert in_place(project) == [10]
    (asked,) = project.kaggle.journal.of(CANCEL)
    assert asked.request == {"kernelSessionId": kernel.session_id}
    gate.touch()
    again = project.run()
    assert (again.steps_start, again.steps_done, again.end_reason) == (10, 40, "finished")


def test_outputs_are_fetched_only_after_the_slow_saving(project: KaggleProject) -> None:
    hold_after_first_save(project)
    project.kaggle.settings.cancel_looks = 4
    start(project)
    assert cancel(project).record.models_steps == 10
    names = [entry.method for entry in project.kaggle.journal.entries]
    between = names[names.index(CANCEL) : names.index(LISTING)]
    assert between.count(STATE) >= 5, "four looks find it still saving"


def test_the_first_line_of_the_log_and_the_first_event_hold_the_number(project: KaggleProject) -> None:
    kernel = start_and_end(project)
    first = log_of(kernel).splitlines()[0]
    assert parse_report(first) == {"kind": "opened", "session_id": kernel.session_id}
    events = (kernel.outputs / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert f'"kind":"opened","session_id":{kernel.session_id}' in events[0]
    assert records(project)[0].session_id == kernel.session_id


def start_and_end(project: KaggleProject) -> Kernel:
    assert project.run().end_reason == "finished"
    return next(iter(project.kaggle.kernels.all.values()))


def test_a_watching_run_ends_as_cancelled_and_starts_no_other_session(project: KaggleProject) -> None:
    hold_after_first_save(project)
    ended: list[Any] = []
    watching = threading.Thread(target=lambda: ended.append(project.run()), daemon=True)
    watching.start()
    wait_until(lambda: project.kaggle.kernels.all and "progress" in log_of(kernel_of(project)))
    wait_until(lambda: records(project)[0].session_id is not None)
    second = KaggleProject(project.root, project.kaggle, Listener(), ShortSleepClock())
    cancelled = cancel(second)
    watching.join(timeout=60)
    assert [one.end_reason for one in ended] == ["cancelled"]
    assert cancelled.by_other and cancelled.record.end_reason == "cancelled"
    assert project.kaggle.kernels.runs == 1 and in_place(project) == [10]


def kernel_of(project: KaggleProject) -> Kernel:
    return next(iter(project.kaggle.kernels.all.values()))


@pytest.mark.parametrize("fault", [{"drop": "before"}, {"drop": "after"}, {"status": 503}])
@pytest.mark.parametrize("times", first_cases(1, [1, 3]))
def test_a_lost_answer_to_the_cancel_changes_nothing(project: KaggleProject, fault: Any, times: int) -> None:
    hold_after_first_save(project)
    start(project)
    project.kaggle.faults.add(CANCEL, times=times, **fault)
    cancelled = cancel(project)
    assert (cancelled.record.end_reason, in_place(project)) == ("cancelled", [10])


def test_a_cancel_that_never_arrives_leaves_the_session_open_and_marked_as_asked(project: KaggleProject) -> None:
    gate = hold_after_first_save(project)
    kernel = start(project)
    project.kaggle.faults.add(CANCEL, status=503, lasting=True)
    with pytest.raises(RemoteUnavailable):
        cancel(project)
    (record,) = records(project)
    assert record.stage is Stage.SUBMITTED and record.stop_asked_by == "user" and not kernel.cancelled
    gate.touch()
    assert project.run().end_reason == "finished"


def test_a_session_that_crashes_after_a_lost_request_does_not_count_as_crashed(project: KaggleProject) -> None:
    hold_after_first_save(project)
    kernel = start(project)
    project.kaggle.faults.add(CANCEL, status=503, lasting=True)
    with pytest.raises(RemoteUnavailable):
        cancel(project)
    kernel.machine.kill()
    assert kernel.ended.wait(120)
    assert cancel(project).record.end_reason == "cancelled" and in_place(project) == [10]


def test_cancelling_twice_asks_once_more_and_changes_nothing(project: KaggleProject) -> None:
    hold_after_first_save(project)
    kernel = start(project)
    project.kaggle.settings.cancel_looks = kernel.cancel_looks = 3
    with project.opened() as (card, context):
        (record,) = context.ledger.sessions(card.lineage.id)
        for _ in range(3):
            ask_to_stop(context, context.ledger.session(record.key) or record, AskedBy.USER)
    assert len(project.kaggle.journal.of(CANCEL)) == 1
    assert cancel(project).record.end_reason == "cancelled"
    with pytest.raises(BadInput, match="no session of section_7_6 is in flight"):
        cancel(project)


def test_a_second_request_that_is_refused_while_the_state_lags_takes_nothing_back(project: KaggleProject) -> None:
    hold_after_first_save(project)
    start(project)
    with project.opened() as (card, context):
        (record,) = context.ledger.sessions(card.lineage.id)
        ask_to_stop(context, record, AskedBy.USER)
        project.kaggle.faults.add(STATE, times=2, change=lambda answer: {**answer, "status": "RUNNING"})
        ask_to_stop(context, context.ledger.session(record.key) or record, AskedBy.USER)
    assert records(project)[0].stop_asked_by == "user" and "was asked to stop before" in project.output
    assert cancel(project).record.end_reason == "cancelled"


def test_a_session_that_ends_in_the_same_moment_is_collected_as_it_ended(project: KaggleProject) -> None:
    gate = hold_after_first_save(project)
    kernel = start(project)
    gate.touch()
    assert kernel.ended.wait(120)
    # The look before the cancel still shows it as running.
    project.kaggle.faults.add(STATE, times=2, change=lambda answer: {**answer, "status": "RUNNING"})
    cancelled = cancel(project)
    assert cancelled.record.end_reason == "finished" and in_place(project)[-1] == 40
    assert [entry.status for entry in project.kaggle.journal.of(CANCEL)] == [200]


def test_a_session_that_pauses_in_the_same_moment_counts_as_stopped(project: KaggleProject) -> None:
    set_behaviour(project.root, '{"1": {"do": "pause"}}')
    kernel = start(project)
    assert kernel.ended.wait(120)
    cancelled = cancel(project)
    assert (cancelled.record.end_reason, cancelled.record.models_steps) == ("stopped", 10)


def test_only_the_account_that_started_a_session_may_stop_it(
    project: KaggleProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = hold_after_first_save(project)
    kernel = start(project)
    with project.opened() as (card, context):
        (record,) = context.ledger.sessions(card.lineage.id)
        context.backend.identify(Handle.parse(str(record.handle)))
    monkeypatch.setenv("KAGGLE_USERNAME", OTHER)
    monkeypatch.setenv("KAGGLE_KEY", OTHER_KEY)
    with project.opened() as (card, context):
        for known in (None, kernel.session_id):
            with pytest.raises(BadInput, match="does not let this account stop") as caught:
                ask_to_stop(context, replace(record, session_id=known), AskedBy.USER)
        assert f"sign in as {USER}" in caught.value.remedy
        assert context.ledger.session(record.key).stop_asked_by is None  # type: ignore[union-attr]  # not None here
    assert not kernel.cancelled
    gate.touch()


@pytest.mark.parametrize("number", ["id_no", "version"])
def test_the_service_takes_neither_the_kernels_id_nor_its_version(project: KaggleProject, number: str) -> None:
    gate = hold_after_first_save(project)
    kernel = start(project)
    with project.opened() as (_, context), pytest.raises(BadInput, match=r"kernelSessions\.cancel"):
        context.backend.cancel(Handle(backend="kaggle", owner=USER, slug=kernel.slug), getattr(kernel, number))
    assert not kernel.cancelled
    gate.touch()


@pytest.mark.parametrize(
    ("name", "why"),
    [(None, "the first line of its log holds no"), ("kaggle-run-production-7", "the name of its container holds no")],
)
def test_a_session_whose_number_never_shows_is_left_with_an_account_of_why(
    project: KaggleProject, name: str | None, why: str
) -> None:
    project.kaggle.settings.container_name = name
    gate = hold_after_first_save(project)
    kernel = start(project)
    with pytest.raises(BadInput, match=why) as caught:
        cancel(project)
    assert "https://www.kaggle.com/code/ana/" in caught.value.remedy
    (record,) = records(project)
    assert record.stage is Stage.SUBMITTED and record.stop_asked_by is None and not kernel.cancelled
    gate.touch()
    assert project.run().end_reason == "finished"


def test_a_queued_session_is_waited_for_and_then_stopped(project: KaggleProject) -> None:
    hold_after_first_save(project)
    kernel = start(project)
    kernel.queued_looks = 3
    assert cancel(project).record.end_reason == "cancelled"
    assert "has not shown its session number yet (QUEUED): waiting for it" in project.output


def test_a_session_that_stays_queued_is_given_up_after_a_bound(project: KaggleProject) -> None:
    project.clock = FastForwardClock()
    gate = hold_after_first_save(project)
    kernel = start(project)
    kernel.queued_looks = 10**6
    with pytest.raises(RemoteUnavailable, match="has not shown its session number"):
        cancel(project)
    assert records(project)[0].stop_asked_by is None and not kernel.cancelled
    gate.touch()


def test_a_session_that_does_not_stop_is_left_open_after_a_bound(project: KaggleProject) -> None:
    project.clock = FastForwardClock()
    gate = hold_after_first_save(project)
    project.kaggle.settings.ignores_cancel = True
    start(project)
    with pytest.raises(RemoteUnavailable, match=r"was asked to stop 3[0-9] minutes ago and is still RUNNING"):
        cancel(project)
    assert records(project)[0].stage is Stage.SUBMITTED
    project.kaggle.settings.ignores_cancel = False
    assert cancel(project).record.end_reason == "cancelled"
    gate.touch()


def test_a_fresh_start_ends_the_session_in_flight(project: KaggleProject) -> None:
    gate = hold_after_first_save(project)
    kernel = start(project)
    ended = threading.Thread(target=lambda: (kernel.ended.wait(timeout=120), gate.touch()), daemon=True)
    ended.start()
    summary = project.run(fresh=True)
    assert kernel.cancelled and summary.end_reason == "finished" and summary.steps_start == 0
    first, second = records(project)
    assert (first.end_reason, first.restored) == ("cancelled", ()) and second.end_reason == "finished"
    assert "cannot be stopped" not in project.output


def test_a_fresh_start_leaves_a_session_that_cannot_be_stopped(project: KaggleProject) -> None:
    project.kaggle.settings.container_name = None
    gate = hold_after_first_save(project)
    kernel = start(project)
    threading.Thread(
        target=lambda: (wait_until(lambda: project.kaggle.kernels.runs > 1), gate.touch()), daemon=True
    ).start()
    assert project.run(fresh=True).end_reason == "finished"
    assert not kernel.cancelled
    assert "cannot be stopped from here; its results will not be used" in project.output


def test_status_says_whether_a_session_can_be_stopped_yet(project: KaggleProject) -> None:
    gate = hold_after_first_save(project)
    kernel = start(project)
    kernel.queued_looks = 1  # each status makes one look
    (queued,) = invoke(project, "status", "section_7_6", "--json").json["in_flight"]
    assert (queued["session_id"], queued["can_cancel"]) == (None, False)
    assert "has not shown its session number yet (QUEUED)" in queued["why_not"]
    for words in (("section_7_6",), ()):
        (running,) = invoke(project, "status", *words, "--json").json["in_flight"]
        assert (running["session_id"], running["can_cancel"], running["why_not"]) == (kernel.session_id, True, "")
    gate.touch()


def test_status_shows_how_far_a_session_is_by_one_look_at_its_log(project: KaggleProject) -> None:
    gate = hold_after_first_save(project)
    start(project)
    before = len(project.kaggle.journal.entries)
    shown = invoke(project, "status").out
    asked = [one.method for one in project.kaggle.journal.entries[before:]]
    assert asked.count(STATE) == 1 and len(asked) <= 3, asked
    assert "0 -> 10 of 40" in shown and "10 of 40 steps" in shown and "deadline in 0:" in shown
    answer = invoke(project, "status", "--json").json
    (live,), (run,) = answer["in_flight"], answer["runs"]
    assert (live["backend"], live["steps"], live["target_steps"]) == ("kaggle", 10, 40)
    assert live["deadline_at"] > live["reported_at"] and 0 < live["deadline_in_s"] <= 3600
    assert (run["steps_done"], run["steps_now"]) == (0, 10)
    gate.touch()


def test_status_of_a_service_that_does_not_answer_is_shown_at_once(project: KaggleProject) -> None:
    gate = hold_after_first_save(project)
    start(project)
    project.kaggle.faults.add(STATE, times=1, status=503)
    began_s = time.monotonic()
    (live,) = invoke(project, "status", "--json").json["in_flight"]
    assert "its state is unknown" in live["state"] and (live["steps"], live["deadline_at"]) == (0, None)
    assert time.monotonic() - began_s < 15.0, "a failed look is not repeated"
    gate.touch()


def test_ctrl_c_while_the_outputs_are_saved_ends_with_130_and_the_next_cancel_collects(project: KaggleProject) -> None:
    hold_after_first_save(project)
    kernel = start(project)
    project.kaggle.settings.cancel_looks = kernel.cancel_looks = 10**6
    command = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "cancel", "section_7_6"],
        env=environment(project.root, **loopback_variables()),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    wait_until(lambda: kernel.cancelled and len(project.kaggle.journal.of(STATE)) > 3)
    command.send_signal(signal.SIGINT)
    out, _ = command.communicate(timeout=60)
    assert command.returncode == 130, out
    assert "Traceback" not in out
    assert records(project)[0].stage is Stage.SUBMITTED
    project.kaggle.settings.cancel_looks = kernel.cancel_looks = 0
    assert cancel(project).record.end_reason == "cancelled" and in_place(project) == [10]


def test_a_command_that_dies_after_it_asked_leaves_no_crash_behind(project: KaggleProject) -> None:
    """The ledger has the request before it is sent: the next command does not take the end for a crash."""
    hold_after_first_save(project)
    kernel = start(project)
    with project.opened() as (card, context):
        (record,) = context.ledger.sessions(card.lineage.id)
        ask_to_stop(context, record, AskedBy.USER)
    assert kernel.ended.wait(120)
    project.kaggle.settings.stuck = "ERROR"  # the service calls it a failure
    assert cancel(project).record.end_reason == "cancelled"


CAMPAIGN = """
campaign: pair
backend: kaggle
concurrency: 2
trials:
  toy:
    section: section_7_6
    profile: quick
    seeds: 2
"""


def test_a_tick_ends_the_session_of_a_removed_line_and_the_next_collects_it(project: KaggleProject) -> None:
    hold_after_first_save(project)
    file = project.root / "pair.yaml"
    file.write_text(CAMPAIGN, encoding="utf-8")
    assert invoke(project, "campaign", "tick", "pair.yaml").code == 0
    first, second = project.kaggle.kernels.all.values()
    wait_until(lambda: all("progress" in log_of(kernel) for kernel in (first, second)))
    file.write_text(CAMPAIGN.replace("seeds: 2", "seeds: 1"), encoding="utf-8")
    answer = invoke(project, "campaign", "tick", "pair.yaml")
    assert answer.code == 0 and "no longer part of the campaign, its session is asked to stop" in answer.out
    assert [kernel.cancelled for kernel in (first, second)] == [False, True]
    assert second.ended.wait(120)
    assert invoke(project, "campaign", "tick", "pair.yaml").code == 0
    with project.opened() as (_, context):
        (record,) = (one for one in context.ledger.sessions() if one.slug == second.slug)
    trial = project.root / "validation_ch7/section_7_6_rl_performance/trials" / record.lineage_id[:8]
    assert [path.stem[-8:] for path in trial.rglob("*_checkpoint_*.zip")] == ["10_steps"]
    assert record.stop_asked_by == "campaign" and record.session_id == second.session_id
    assert not first.ended.is_set()


class EveryTrialIsPruned:
    """A search that prunes whatever has been evaluated."""

    def may_prune(self, trial: Any) -> bool:
        return True

    def pruned_at_steps(self, trial: Any, curves: dict[str, Any]) -> int | None:
        return 10 if any(curves.values()) else None


def test_a_pruned_trial_is_stopped_by_the_evaluations_in_its_running_log(project: KaggleProject) -> None:
    set_behaviour(project.root, '{"scores": true}')
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    hold_after_first_save(project)
    text = entry.read_text("utf-8").replace('lineage["hyper_parameters"]["gamma"]', "0.9")
    entry.write_text(text, "utf-8")
    kernel = start(project)
    wait_until(lambda: "evaluated" in log_of(kernel))
    with project.opened() as (card, context):
        (record,) = context.ledger.sessions(card.lineage.id)
        trial: Any = SimpleNamespace(lineage_id=record.lineage_id)
        searching: Any = EveryTrialIsPruned()
        assert prune_running(replace(context, waits=False), searching, trial, record, {})
    assert kernel.ended.wait(120)
    assert kernel.cancelled
    (record,) = records(project)
    assert record.stop_asked_by == "search"


def test_a_log_that_never_falls_silent_is_read_for_a_bounded_time(
    project: KaggleProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_log, "MOST_S", 1.0)
    gate = hold_after_first_save(project)
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    talking = "context.reporter.say('still here') or __import__('time').sleep(0.02)"
    entry.write_text(entry.read_text("utf-8").replace("__import__('time').sleep(0.02)", talking), "utf-8")
    kernel = start(project)
    with project.opened() as (_, context):
        began_s = time.monotonic()
        lines = context.backend.lines_so_far(Handle(backend="kaggle", owner=USER, slug=kernel.slug))
    assert lines[0].startswith("[ORC]") and "still here" in lines
    assert time.monotonic() - began_s < 10
    gate.touch()
