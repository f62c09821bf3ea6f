"""Damaged, late, foreign or missing outputs: nothing is trained again if a repeated fetch can get them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import NotYet, RemoteUnavailable
from orchestrator.core.ledger.records import Stage
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.summary import RunSummary
from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.pipeline.control.reattach import fetch_ended
from orchestrator.pipeline.run.runner import execute
from orchestrator.stores.project import Project
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.wiring import assemble
from tests.doubles.kaggle_side import KEY, USER, FastForwardClock, far_settings, kaggle_backend, point_at_loopback
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project, set_behaviour
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle
from tests.marks import first_cases

LISTING, STATE = "ListKernelSessionOutput", "GetKernelSessionStatus"
MANIFEST = "session_manifest.json"
CHECKPOINTS = "section_7_6_rl_performance/data/models/checkpoints"
NEWEST = "traffic_light_control_checkpoint_40_steps"
HTML = b"<html><body>Please log in</body></html>"


class KaggleProject:
    """A project, its account on the loopback service, and a clock on which waits pass at once."""

    def __init__(self, root: Path, kaggle: LoopbackKaggle) -> None:
        self.root, self.kaggle = root, kaggle
        self.listener, self.clock = Listener(), FastForwardClock()

    def run(self, settings: KaggleSettings | None = None, **request: Any) -> RunSummary:
        with self.context(settings) as (context, card):
            return execute(context, RunRequest(card=card, profile="quick", **request))

    def step(self, *, starts: bool) -> RunSummary:
        with self.context() as (context, card):
            return execute(replace(context, waits=False), RunRequest(card=card, profile="quick", starts=starts))

    def fetch(self) -> None:
        with self.context() as (context, card):
            fetch_ended(context, card)

    def context(self, settings: KaggleSettings | None = None) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def opened() -> Iterator[Any]:
            project = Project(code=self.root, state=self.root)
            card = load_card(project.cards, "section_7_6")
            backend = kaggle_backend(settings, self.clock)
            with assemble(project, card, backend, self.listener, clock=self.clock) as context:
                yield context, card

        return opened()

    def sessions(self) -> list[Any]:
        with self.context() as (context, card):
            return list(context.ledger.sessions(card.lineage.id))

    @property
    def pushes(self) -> int:
        return self.kaggle.kernels.runs

    @property
    def steps_in_place(self) -> list[int]:
        folder = self.root / "validation_ch7/section_7_6_rl_performance/data/models/checkpoints"
        return sorted(int(path.stem.split("_")[-2]) for path in folder.glob("*_steps.zip"))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleProject]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings(offers_zip=False)) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        yield KaggleProject(make_toy_project(tmp_path / "project"), kaggle)


def ends_with(*ends: str) -> Callable[[Any], bool]:
    return lambda path: str(path).endswith(ends)


def flipped(content: bytes, share: float = 0.5) -> bytes:
    place = int(len(content) * share)
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def assert_complete(summary: RunSummary, project: KaggleProject) -> None:
    assert (summary.end_reason, summary.verdict, summary.steps_done) == ("finished", "supported", 40)
    assert (summary.problems, summary.exit_code, project.pushes) == ((), 0, 1)
    assert project.steps_in_place == [30, 40]


@pytest.mark.parametrize("times", first_cases(1, [2, 1, 6]))
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: HTML,
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"[" * 100_000,
        lambda content: content.replace(b'"started_at": "', b'"started_at": 5, "was": "'),
        lambda content: content.replace(b'"steps_done": 40', b'"steps_done": 1e999'),
        lambda content: content.replace(b'"nonce": "', b'"nonce": "f'),
    ],
    ids=["html", "half", "empty", "deep", "number as time", "infinite", "other nonce"],
)
def test_damaged_manifest_is_refetched(project: KaggleProject, damage: Callable[[bytes], bytes], times: int) -> None:
    project.kaggle.faults.add("download", damage=damage, when=ends_with(MANIFEST), times=times)
    assert_complete(project.run(), project)


@pytest.mark.parametrize(
    "share", first_cases(4, [0.0, 0.3, 0.67, 0.999, 0.04, 0.11, 0.18, 0.42, 0.55, 0.78, 0.83, 0.91])
)
def test_manifest_and_checkpoint_with_a_flipped_byte_are_refetched(project: KaggleProject, share: float) -> None:
    project.kaggle.faults.add("download", damage=lambda content: flipped(content, share), when=ends_with(MANIFEST))
    project.kaggle.faults.add("download", damage=flipped, when=ends_with(f"{NEWEST}.zip"))
    assert_complete(project.run(), project)


def test_truncated_first_two_downloads_of_every_file_are_repeated(project: KaggleProject) -> None:
    attempts: Counter[str] = Counter()

    def first_two(path: Any) -> bool:
        attempts[str(path)] += 1
        return attempts[str(path)] <= 2

    project.kaggle.faults.add("download", damage=lambda content: content[:-7], when=first_two, lasting=True)
    assert_complete(project.run(), project)


def test_permanently_damaged_manifest_is_a_crash_but_checkpoints_are_kept(project: KaggleProject) -> None:
    project.kaggle.faults.add(
        "download", damage=lambda content: HTML, when=ends_with("s01/1/outputs/" + MANIFEST), lasting=True
    )
    project.kaggle.faults.add("download", damage=flipped, when=ends_with(f"{NEWEST}.state.npz"), times=2)
    summary = project.run()
    assert (summary.end_reason, summary.verdict, project.steps_in_place) == ("finished", "supported", [30, 40])
    record = project.sessions()[0]
    assert record.end_reason == "crashed" and record.models_steps == 40
    assert any("cannot be read" in problem for problem in record.problems)
    assert "looking again for up to 30 min" in project.listener.text


@pytest.mark.parametrize("end", ["die_after_save", "die_at_target"])
def test_cards_verify_the_checkpoints_when_the_manifest_is_missing(project: KaggleProject, end: str) -> None:
    set_behaviour(project.root, json.dumps({"1": {"do": end}}))
    for suffix in (".zip", ".state.npz", ".json"):
        project.kaggle.faults.add("download", damage=flipped, when=ends_with(f"_steps{suffix}"), times=2)
    summary = project.run()
    saved = {"die_after_save": 10, "die_at_target": 40}[end]
    assert project.sessions()[0].models_steps == saved
    assert (summary.end_reason, summary.steps_done) == ("finished", 40)


@pytest.mark.parametrize("status", first_cases(2, [500, 451, 404, 409, 418]))
@pytest.mark.parametrize("path", ["events.jsonl", "toy.csv", "training_metadata.json"])
def test_unavailable_optional_file_is_a_problem_not_a_failure(project: KaggleProject, path: str, status: int) -> None:
    project.kaggle.faults.add("download", status=status, when=ends_with(path), lasting=True)
    summary = project.run()
    assert (summary.end_reason, summary.verdict, summary.exit_code) == ("finished", "supported", 0)
    assert (project.pushes, project.steps_in_place) == (1, [30, 40])
    (problem,) = summary.problems
    assert path in problem and str(status) in problem
    again = project.run()
    assert (again.end_reason, again.verdict, again.exit_code, project.pushes) == ("at_target", "supported", 0, 1)


def test_unavailable_log_is_a_problem_not_a_failure(project: KaggleProject) -> None:
    project.kaggle.faults.add(LISTING, change=lambda answer: {**answer, "log": ""}, lasting=True)
    project.kaggle.faults.add("log", status=500, lasting=True)
    summary = project.run()
    assert (summary.end_reason, summary.exit_code, project.pushes) == ("finished", 0, 1)
    assert any("kernel.log" in problem for problem in summary.problems)


@pytest.mark.parametrize("name", ["a" * 250, "é" * 127 + "x", "a" * 255, "loss_12:30.png"])
def test_long_or_odd_file_name_does_not_fail_the_run(project: KaggleProject, name: str) -> None:
    _write_extra_file(project, name)
    summary = project.run()
    assert (summary.end_reason, summary.verdict, summary.exit_code, project.pushes) == ("finished", "supported", 0, 1)
    if ":" in name:
        assert any(name in problem for problem in summary.problems)
    else:
        assert (Path(str(summary.results_dir)) / name).read_text("utf-8") == "x"
        assert summary.problems == ()


@pytest.mark.parametrize("name", ["b" * 300, "nul\0.txt", "half\udc80.txt", "x" * 5000, "events.jsonl/below"])
def test_listed_name_that_cannot_be_created_is_a_problem_not_a_failure(project: KaggleProject, name: str) -> None:
    def add_file(answer: dict[str, Any]) -> dict[str, Any]:
        return {**answer, "files": [*answer["files"], {**answer["files"][0], "fileName": name}]}

    project.kaggle.faults.add(LISTING, change=add_file, lasting=True)
    summary = project.run()
    assert (summary.end_reason, summary.exit_code, project.pushes) == ("finished", 0, 1)
    (problem,) = summary.problems
    assert problem.startswith(name[:2]) and problem.isprintable() and len(problem) < 400


def test_download_larger_than_announced_is_rejected_and_repeated(project: KaggleProject) -> None:
    project.kaggle.faults.add(
        "download", damage=lambda content: content + b"x" * 50_000_000, when=ends_with("events.jsonl")
    )
    assert_complete(project.run(), project)


@pytest.mark.parametrize("suffix", [".zip", ".state.npz", ".json"])
def test_unavailable_newest_checkpoint_keeps_the_session_open(project: KaggleProject, suffix: str) -> None:
    project.kaggle.faults.add("download", status=503, when=ends_with(NEWEST + suffix), lasting=True)
    with pytest.raises(RemoteUnavailable) as fault:
        project.run()
    assert fault.value.exit_code == 4 and NEWEST in str(fault.value)
    assert (project.pushes, project.steps_in_place) == (1, [30])
    assert project.sessions()[0].stage is not Stage.CLOSED
    project.kaggle.faults._waiting.clear()
    assert_complete(project.run(), project)


def test_unavailable_newest_checkpoint_is_given_up_after_some_time(project: KaggleProject) -> None:
    project.kaggle.faults.add(
        "download", status=503, when=ends_with(f"s01/1/outputs/{CHECKPOINTS}/{NEWEST}.zip"), lasting=True
    )
    for _ in range(2):
        with pytest.raises(RemoteUnavailable):
            project.run()
    assert project.pushes == 1
    summary = project.run()
    assert (summary.end_reason, summary.steps_done, project.pushes) == ("finished", 40, 2)
    assert NEWEST in " ".join(project.sessions()[0].problems)


def test_fetch_takes_a_given_up_checkpoint_once_it_is_available(project: KaggleProject) -> None:
    project.kaggle.faults.add("download", status=451, when=ends_with(f"{NEWEST}.zip"), lasting=True)
    set_behaviour(project.root, '{"*": {"do": "pause"}}')
    project.run(target_steps=40)  # its outcome does not matter; the next command is checked
    project.kaggle.faults._waiting.clear()
    project.fetch()
    assert max(project.steps_in_place) == 40


def test_service_without_any_download_counts_as_unreachable(project: KaggleProject) -> None:
    project.kaggle.faults.add("download", status=500, lasting=True)
    with pytest.raises(RemoteUnavailable):
        project.run()
    assert project.pushes == 1
    project.kaggle.faults._waiting.clear()
    assert_complete(project.run(), project)


@pytest.mark.parametrize("state", ["RUNNING", "CANCEL_REQUESTED"])
@pytest.mark.parametrize("manifest", [True, False])
def test_kernel_stuck_after_its_end_is_judged_by_its_outputs(
    project: KaggleProject, state: str, manifest: bool
) -> None:
    project.kaggle.settings.stuck = state
    if not manifest:
        set_behaviour(project.root, '{"1": {"do": "die_after_save"}}')

    def unstick(answer: dict[str, Any]) -> dict[str, Any]:
        project.kaggle.settings.stuck = ""
        return answer

    project.kaggle.faults.add("SaveKernel", change=lambda answer: answer)
    project.kaggle.faults.add("SaveKernel", change=unstick)
    summary = project.run(KaggleSettings(device="cpu", session_timeout_s=1500.0), deadline_s=600.0)
    assert (summary.end_reason, summary.steps_done) == ("finished", 40)
    assert project.pushes == (1 if manifest else 2)
    assert ("but its outputs are complete" in project.listener.text) is manifest
    if not manifest:
        assert project.sessions()[0].end_reason == "wall_limit"


def test_stuck_kernel_without_outputs_is_not_awaited_forever(project: KaggleProject) -> None:
    project.kaggle.settings.stuck = "RUNNING"
    project.kaggle.faults.add(LISTING, change=lambda answer: {**answer, "files": []}, lasting=True)
    with pytest.raises(RemoteUnavailable, match="longer than any session lasts") as fault:
        project.run(KaggleSettings(device="cpu", session_timeout_s=1500.0), deadline_s=600.0)
    assert "delete it" in fault.value.remedy
    project.kaggle.faults._waiting.clear()
    assert_complete(project.run(KaggleSettings(device="cpu", session_timeout_s=1500.0), deadline_s=600.0), project)


def test_stale_listing_is_requested_again(project: KaggleProject) -> None:
    set_behaviour(project.root, '{"1": {"do": "pause"}}')
    pages: list[dict[str, Any]] = []

    def remember_page(answer: dict[str, Any]) -> dict[str, Any]:
        pages.append(answer)
        return answer

    project.kaggle.faults.add(LISTING, change=remember_page, when=slug_ends_with("s01"))
    project.kaggle.faults.add(LISTING, change=lambda answer: pages[0], when=slug_ends_with("s02"))
    summary = project.run()
    assert (summary.end_reason, summary.exit_code, project.pushes) == ("finished", 0, 2)


def test_permanently_stale_outputs_end_the_run_until_the_right_ones_appear(project: KaggleProject) -> None:
    set_behaviour(project.root, '{"1": {"do": "pause"}}')
    pages: list[dict[str, Any]] = []

    def remember_page(answer: dict[str, Any]) -> dict[str, Any]:
        pages.append(answer)
        return answer

    project.kaggle.faults.add(LISTING, change=remember_page, when=slug_ends_with("s01"))
    project.kaggle.faults.add(LISTING, change=lambda answer: pages[0], when=slug_ends_with("s02"), lasting=True)
    summary = project.run()
    assert (summary.end_reason, summary.exit_code) == ("stale_results", 1)
    project.kaggle.faults._waiting.clear()
    again = project.run()
    assert (again.end_reason, again.verdict, again.exit_code, project.pushes) == ("finished", "supported", 0, 2)


def slug_ends_with(end: str) -> Callable[[Any], bool]:
    return lambda request: str(request["kernelSlug"]).endswith(end)


@pytest.mark.parametrize("late_s", first_cases(1, [600.0, 90.0, 1200.0]))
def test_late_outputs_are_awaited_and_announced_once(project: KaggleProject, late_s: float) -> None:
    first: list[float] = []

    def hidden(request: Any) -> bool:
        first.append(project.clock.slept_s)
        return project.clock.slept_s - first[0] < late_s

    project.kaggle.faults.add(LISTING, change=lambda answer: {"files": [], "log": ""}, when=hidden, lasting=True)
    assert_complete(project.run(), project)
    assert project.listener.text.count("looking again for up to") == 1


def test_session_closed_as_crash_is_fetched_again_before_the_next_push(project: KaggleProject) -> None:
    project.kaggle.faults.add(LISTING, change=lambda answer: {"files": [], "log": ""}, lasting=True)
    project.kaggle.faults.add("SaveKernel", change=lambda answer: answer)
    project.kaggle.faults.add("SaveKernel", status=401, times=10)
    with pytest.raises(RemoteUnavailable):
        project.run()
    assert project.sessions()[0].end_reason == "crashed"
    project.kaggle.faults._waiting.clear()
    assert_complete(project.run(), project)


def test_fetch_reopens_a_session_closed_as_crash(project: KaggleProject) -> None:
    project.kaggle.faults.add(LISTING, change=lambda answer: {"files": [], "log": ""}, lasting=True)
    project.kaggle.faults.add("SaveKernel", change=lambda answer: answer)
    project.kaggle.faults.add("SaveKernel", status=401, times=10)
    with pytest.raises(RemoteUnavailable):
        project.run()
    project.kaggle.faults._waiting.clear()
    project.fetch()
    assert project.steps_in_place == [30, 40]
    summary = project.run()
    assert (summary.verdict, summary.exit_code, project.pushes) == ("supported", 0, 1)


def test_premature_complete_state_with_a_broken_log_loses_nothing(project: KaggleProject) -> None:
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(
        entry.read_text("utf-8").replace("    score = None", "    __import__('time').sleep(1)\n    score = None"),
        "utf-8",
    )
    project.kaggle.faults.add("log", drop="before", times=12)
    project.kaggle.faults.add(STATE, change=lambda answer: {"status": "COMPLETE"}, times=2)
    project.clock.before_sleep = lambda seconds: __import__("time").sleep(0.1)
    assert_complete(project.run(), project)


def test_single_step_command_never_waits_and_loses_nothing(project: KaggleProject) -> None:
    pushed = project.step(starts=True)
    assert (pushed.end_reason, project.pushes) == ("detached", 1)
    (kernel,) = project.kaggle.kernels.all.values()
    assert kernel.ended.wait(120)
    project.kaggle.faults.add(LISTING, change=lambda answer: {"files": [], "log": ""}, lasting=True)
    for _ in range(3):
        with pytest.raises(NotYet, match="not there yet"):
            project.step(starts=True)
    assert (project.clock.slept_s, project.pushes) == (0.0, 1)
    project.clock.slept_s += 600.0
    project.kaggle.faults._waiting.clear()
    summary = project.step(starts=False)
    assert (summary.end_reason, summary.verdict, project.pushes) == ("finished", "supported", 1)
    assert project.steps_in_place == [30, 40]


def test_single_step_commands_give_up_a_checkpoint_after_the_same_time(project: KaggleProject) -> None:
    project.step(starts=True)
    (kernel,) = project.kaggle.kernels.all.values()
    assert kernel.ended.wait(120)
    project.kaggle.faults.add("download", status=503, when=ends_with(f"{NEWEST}.zip"), lasting=True)
    for hours in (0, 1, 4):
        project.clock.slept_s = hours * 3600.0
        with pytest.raises(NotYet, match="503"):
            project.step(starts=False)
        assert project.steps_in_place == [30]
    project.clock.slept_s = 7 * 3600.0
    assert project.step(starts=False).steps_done == 30
    assert project.sessions()[0].stage is Stage.CLOSED


def _write_extra_file(project: KaggleProject, name: str) -> None:
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    text = entry.read_text("utf-8")
    act = f"    Path({name!r}).write_text('x')\n    return SectionOutcome("
    entry.write_text(text.replace("    return SectionOutcome(", act), "utf-8")


def test_fresh_start_takes_nothing_of_late_outputs(project: KaggleProject) -> None:
    project.kaggle.faults.add(LISTING, change=lambda answer: {"files": [], "log": ""}, lasting=True)
    project.kaggle.faults.add("SaveKernel", change=lambda answer: answer)
    project.kaggle.faults.add("SaveKernel", status=401, times=10)
    with pytest.raises(RemoteUnavailable):
        project.run()
    assert project.sessions()[0].end_reason == "crashed"
    project.kaggle.faults._waiting.clear()
    summary = project.run(fresh=True)
    assert (summary.steps_start, summary.steps_done, project.pushes) == (0, 40, 2)
    ended = [one.end_reason for one in project.sessions() if not one.never_submitted]
    assert ended == ["crashed", "finished"]


def test_directory_emptied_while_outputs_are_awaited_stays_empty(project: KaggleProject) -> None:
    project.run(target_steps=20)
    project.kaggle.faults.add("download", status=503, when=ends_with(f"{NEWEST}.zip"), lasting=True)
    models, emptied = project.root / "validation_ch7/section_7_6_rl_performance/data/models", []

    def empty(seconds: float) -> None:
        if not emptied and "looking again for up to" in project.listener.text:
            emptied.append(seconds)
            for path in models.rglob("*"):
                if path.is_file():
                    path.unlink()

    project.clock.before_sleep = empty
    with pytest.raises(RemoteUnavailable, match="503"):
        project.run(target_steps=40)
    assert emptied and "nothing is restored into it" in project.listener.text
    assert project.steps_in_place == [] and project.sessions()[-1].doubts
