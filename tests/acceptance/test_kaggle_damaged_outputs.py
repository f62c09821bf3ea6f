"""Outputs that come damaged, late, from elsewhere or not at all: nothing is trained again that another look settles."""

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
from orchestrator.pipeline.run.reattach import fetch_ended
from orchestrator.pipeline.run.runner import execute
from orchestrator.stores.project import Project
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.wiring import assemble
from tests.doubles.kaggle_side import KEY, USER, LeapingClock, far_settings, kaggle_backend, point_at_loopback
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project, set_behaviour
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

LISTING, STATE = "ListKernelSessionOutput", "GetKernelSessionStatus"
MANIFEST = "session_manifest.json"
NEWEST = "traffic_light_control_checkpoint_40_steps"
HTML = b"<html><body>Please log in</body></html>"


class Laptop:
    """A project on a computer whose pauses pass at once, and the account on the service."""

    def __init__(self, root: Path, kaggle: LoopbackKaggle) -> None:
        self.root, self.kaggle = root, kaggle
        self.listener, self.clock = Listener(), LeapingClock()

    def run(self, settings: KaggleSettings | None = None, **request: Any) -> RunSummary:
        with self.parts(settings) as (parts, card):
            return execute(parts, RunRequest(card=card, profile="quick", **request))

    def step(self, *, starts: bool) -> RunSummary:
        with self.parts() as (parts, card):
            return execute(replace(parts, waits=False), RunRequest(card=card, profile="quick", starts=starts))

    def fetch(self) -> None:
        with self.parts() as (parts, card):
            fetch_ended(parts, card)

    def parts(self, settings: KaggleSettings | None = None) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def opened() -> Iterator[Any]:
            project = Project(code=self.root, state=self.root)
            card = load_card(project.cards, "section_7_6")
            backend = kaggle_backend(settings, self.clock)
            with assemble(project, card, backend, self.listener, clock=self.clock) as parts:
                yield parts, card

        return opened()

    def sessions(self) -> list[Any]:
        with self.parts() as (parts, card):
            return list(parts.ledger.sessions(card.lineage.id))

    @property
    def pushes(self) -> int:
        return self.kaggle.kernels.runs

    @property
    def steps_in_place(self) -> list[int]:
        folder = self.root / "validation_ch7/section_7_6_rl_performance/data/models/checkpoints"
        return sorted(int(path.stem.split("_")[-2]) for path in folder.glob("*_steps.zip"))


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Laptop]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        yield Laptop(make_toy_project(tmp_path / "project"), kaggle)


def named(*ends: str) -> Callable[[Any], bool]:
    return lambda path: str(path).endswith(ends)


def flipped(content: bytes, share: float = 0.5) -> bytes:
    place = int(len(content) * share)
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def whole(summary: RunSummary, laptop: Laptop) -> None:
    assert (summary.end_reason, summary.verdict, summary.steps_done) == ("finished", "supported", 40)
    assert (summary.problems, summary.exit_code, laptop.pushes) == ((), 0, 1)
    assert laptop.steps_in_place == [30, 40]


@pytest.mark.parametrize("times", [1, 2, 6])
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
    ids=["html", "half", "empty", "deep", "number for a moment", "infinite", "other nonce"],
)
def test_a_damaged_manifest_is_fetched_again(laptop: Laptop, damage: Callable[[bytes], bytes], times: int) -> None:
    laptop.kaggle.faults.add("download", damage=damage, when=named(MANIFEST), times=times)
    whole(laptop.run(), laptop)


@pytest.mark.parametrize("share", [0.0, 0.04, 0.11, 0.18, 0.3, 0.42, 0.55, 0.67, 0.78, 0.83, 0.91, 0.999])
def test_one_flipped_byte_in_the_manifest_and_one_in_a_checkpoint(laptop: Laptop, share: float) -> None:
    laptop.kaggle.faults.add("download", damage=lambda content: flipped(content, share), when=named(MANIFEST))
    laptop.kaggle.faults.add("download", damage=flipped, when=named(f"{NEWEST}.zip"))
    whole(laptop.run(), laptop)


def test_the_first_two_downloads_of_every_file_are_cut_short(laptop: Laptop) -> None:
    seen: Counter[str] = Counter()

    def first_two(path: Any) -> bool:
        seen[str(path)] += 1
        return seen[str(path)] <= 2

    laptop.kaggle.faults.add("download", damage=lambda content: content[:-7], when=first_two, lasting=True)
    whole(laptop.run(), laptop)


def test_a_manifest_that_is_always_damaged_ends_as_such_and_its_checkpoints_are_restored(laptop: Laptop) -> None:
    laptop.kaggle.faults.add(
        "download", damage=lambda content: HTML, when=named("s01/1/outputs/" + MANIFEST), lasting=True
    )
    laptop.kaggle.faults.add("download", damage=flipped, when=named(f"{NEWEST}.state.npz"), times=2)
    summary = laptop.run()
    assert (summary.end_reason, summary.verdict, laptop.steps_in_place) == ("finished", "supported", [30, 40])
    record = laptop.sessions()[0]
    assert record.end_reason == "crashed" and record.models_steps == 40
    assert any("cannot be read" in problem for problem in record.problems)
    assert "looking again for up to 30 min" in laptop.listener.text


@pytest.mark.parametrize("end", ["die_after_save", "die_at_target"])
def test_without_a_manifest_the_cards_check_the_checkpoints(laptop: Laptop, end: str) -> None:
    set_behaviour(laptop.root, json.dumps({"1": {"do": end}}))
    for suffix in (".zip", ".state.npz", ".json"):
        laptop.kaggle.faults.add("download", damage=flipped, when=named(f"_steps{suffix}"), times=2)
    summary = laptop.run()
    saved = {"die_after_save": 10, "die_at_target": 40}[end]
    assert laptop.sessions()[0].models_steps == saved
    assert (summary.end_reason, summary.steps_done) == ("finished", 40)


@pytest.mark.parametrize("status", [500, 409, 418, 451, 404])
@pytest.mark.parametrize("path", ["events.jsonl", "toy.csv", "training_metadata.json"])
def test_a_file_that_cannot_be_had_blocks_nothing(laptop: Laptop, path: str, status: int) -> None:
    laptop.kaggle.faults.add("download", status=status, when=named(path), lasting=True)
    summary = laptop.run()
    assert (summary.end_reason, summary.verdict, summary.exit_code) == ("finished", "supported", 0)
    assert (laptop.pushes, laptop.steps_in_place) == (1, [30, 40])
    (problem,) = summary.problems
    assert path in problem and str(status) in problem
    again = laptop.run()
    assert (again.end_reason, again.verdict, again.exit_code, laptop.pushes) == ("at_target", "supported", 0, 1)


def test_a_log_that_cannot_be_had_blocks_nothing(laptop: Laptop) -> None:
    laptop.kaggle.faults.add(LISTING, change=lambda answer: {**answer, "log": ""}, lasting=True)
    laptop.kaggle.faults.add("log", status=500, lasting=True)
    summary = laptop.run()
    assert (summary.end_reason, summary.exit_code, laptop.pushes) == ("finished", 0, 1)
    assert any("kernel.log" in problem for problem in summary.problems)


@pytest.mark.parametrize("name", ["a" * 250, "é" * 127 + "x", "a" * 255, "loss_12:30.png"])
def test_a_long_or_odd_name_blocks_nothing(laptop: Laptop, name: str) -> None:
    _write_also(laptop, name)
    summary = laptop.run()
    assert (summary.end_reason, summary.verdict, summary.exit_code, laptop.pushes) == ("finished", "supported", 0, 1)
    if ":" in name:
        assert any(name in problem for problem in summary.problems)
    else:
        assert (Path(str(summary.results_dir)) / name).read_text("utf-8") == "x"
        assert summary.problems == ()


@pytest.mark.parametrize("name", ["b" * 300, "nul\0.txt", "half\udc80.txt", "x" * 5000, "events.jsonl/below"])
def test_a_listed_name_that_cannot_exist_here_blocks_nothing(laptop: Laptop, name: str) -> None:
    def also(answer: dict[str, Any]) -> dict[str, Any]:
        return {**answer, "files": [*answer["files"], {**answer["files"][0], "fileName": name}]}

    laptop.kaggle.faults.add(LISTING, change=also, lasting=True)
    summary = laptop.run()
    assert (summary.end_reason, summary.exit_code, laptop.pushes) == ("finished", 0, 1)
    (problem,) = summary.problems
    assert problem.startswith(name[:2]) and problem.isprintable() and len(problem) < 400


def test_more_bytes_than_promised_are_not_taken(laptop: Laptop) -> None:
    laptop.kaggle.faults.add("download", damage=lambda content: content + b"x" * 50_000_000, when=named("events.jsonl"))
    whole(laptop.run(), laptop)


@pytest.mark.parametrize("suffix", [".zip", ".state.npz", ".json"])
def test_a_newer_checkpoint_that_cannot_be_had_now_keeps_the_session_open(laptop: Laptop, suffix: str) -> None:
    laptop.kaggle.faults.add("download", status=503, when=named(NEWEST + suffix), lasting=True)
    with pytest.raises(RemoteUnavailable) as fault:
        laptop.run()
    assert fault.value.exit_code == 4 and NEWEST in str(fault.value)
    assert (laptop.pushes, laptop.steps_in_place) == (1, [30])
    assert laptop.sessions()[0].stage is not Stage.CLOSED
    laptop.kaggle.faults._waiting.clear()
    whole(laptop.run(), laptop)


def test_a_newer_checkpoint_is_waited_for_only_so_long(laptop: Laptop) -> None:
    laptop.kaggle.faults.add("download", status=503, when=named(f"s01/1/outputs/{_models}/{NEWEST}.zip"), lasting=True)
    for _ in range(2):
        with pytest.raises(RemoteUnavailable):
            laptop.run()
    assert laptop.pushes == 1
    summary = laptop.run()
    assert (summary.end_reason, summary.steps_done, laptop.pushes) == ("finished", 40, 2)
    assert NEWEST in " ".join(laptop.sessions()[0].problems)


_models = "section_7_6_rl_performance/data/models/checkpoints"


def test_a_checkpoint_that_was_given_up_is_taken_when_it_can_be_had(laptop: Laptop) -> None:
    laptop.kaggle.faults.add("download", status=451, when=named(f"{NEWEST}.zip"), lasting=True)
    set_behaviour(laptop.root, '{"*": {"do": "pause"}}')
    laptop.run(target_steps=40)  # ends somehow; what matters is the next command
    laptop.kaggle.faults._waiting.clear()
    laptop.fetch()
    assert max(laptop.steps_in_place) == 40


def test_a_service_that_gives_no_file_at_all_is_away(laptop: Laptop) -> None:
    laptop.kaggle.faults.add("download", status=500, lasting=True)
    with pytest.raises(RemoteUnavailable):
        laptop.run()
    assert laptop.pushes == 1
    laptop.kaggle.faults._waiting.clear()
    whole(laptop.run(), laptop)


@pytest.mark.parametrize("state", ["RUNNING", "CANCEL_REQUESTED"])
@pytest.mark.parametrize("manifest", [True, False])
def test_a_kernel_that_is_stuck_after_its_end_is_judged_by_its_outputs(
    laptop: Laptop, state: str, manifest: bool
) -> None:
    laptop.kaggle.settings.stuck = state
    if not manifest:
        set_behaviour(laptop.root, '{"1": {"do": "die_after_save"}}')

    def unstick(answer: dict[str, Any]) -> dict[str, Any]:
        laptop.kaggle.settings.stuck = ""
        return answer

    laptop.kaggle.faults.add("SaveKernel", change=lambda answer: answer)
    laptop.kaggle.faults.add("SaveKernel", change=unstick)
    summary = laptop.run(KaggleSettings(device="cpu", session_timeout_s=1500.0), deadline_s=600.0)
    assert (summary.end_reason, summary.steps_done) == ("finished", 40)
    assert laptop.pushes == (1 if manifest else 2)
    if not manifest:
        assert laptop.sessions()[0].end_reason == "wall_limit"


def test_a_kernel_that_is_stuck_without_outputs_is_not_waited_for_without_end(laptop: Laptop) -> None:
    laptop.kaggle.settings.stuck = "RUNNING"
    laptop.kaggle.faults.add(LISTING, change=lambda answer: {**answer, "files": []}, lasting=True)
    with pytest.raises(RemoteUnavailable, match="longer than any session lasts") as fault:
        laptop.run(KaggleSettings(device="cpu", session_timeout_s=1500.0), deadline_s=600.0)
    assert "delete it" in fault.value.remedy
    laptop.kaggle.faults._waiting.clear()
    whole(laptop.run(KaggleSettings(device="cpu", session_timeout_s=1500.0), deadline_s=600.0), laptop)


def test_one_stale_listing_is_looked_at_again(laptop: Laptop) -> None:
    set_behaviour(laptop.root, '{"1": {"do": "pause"}}')
    pages: list[dict[str, Any]] = []

    def remember(answer: dict[str, Any]) -> dict[str, Any]:
        pages.append(answer)
        return answer

    laptop.kaggle.faults.add(LISTING, change=remember, when=named_slug("s01"))
    laptop.kaggle.faults.add(LISTING, change=lambda answer: pages[0], when=named_slug("s02"))
    summary = laptop.run()
    assert (summary.end_reason, summary.exit_code, laptop.pushes) == ("finished", 0, 2)


def test_outputs_of_another_session_for_good_are_stale_until_the_right_ones_show(laptop: Laptop) -> None:
    set_behaviour(laptop.root, '{"1": {"do": "pause"}}')
    pages: list[dict[str, Any]] = []

    def remember(answer: dict[str, Any]) -> dict[str, Any]:
        pages.append(answer)
        return answer

    laptop.kaggle.faults.add(LISTING, change=remember, when=named_slug("s01"))
    laptop.kaggle.faults.add(LISTING, change=lambda answer: pages[0], when=named_slug("s02"), lasting=True)
    summary = laptop.run()
    assert (summary.end_reason, summary.exit_code) == ("stale_results", 1)
    laptop.kaggle.faults._waiting.clear()
    again = laptop.run()
    assert (again.end_reason, again.verdict, again.exit_code, laptop.pushes) == ("finished", "supported", 0, 2)


def named_slug(end: str) -> Callable[[Any], bool]:
    return lambda request: str(request["kernelSlug"]).endswith(end)


@pytest.mark.parametrize("late_s", [90.0, 600.0, 1200.0])
def test_outputs_that_show_late_are_waited_for_and_told_in_one_line(laptop: Laptop, late_s: float) -> None:
    first: list[float] = []

    def hidden(request: Any) -> bool:
        first.append(laptop.clock.slept_s)
        return laptop.clock.slept_s - first[0] < late_s

    laptop.kaggle.faults.add(LISTING, change=lambda answer: {"files": [], "log": ""}, when=hidden, lasting=True)
    whole(laptop.run(), laptop)
    assert laptop.listener.text.count("looking again for up to") == 1


def test_a_crash_that_was_closed_is_fetched_again_before_a_further_push(laptop: Laptop) -> None:
    laptop.kaggle.faults.add(LISTING, change=lambda answer: {"files": [], "log": ""}, lasting=True)
    laptop.kaggle.faults.add("SaveKernel", change=lambda answer: answer)
    laptop.kaggle.faults.add("SaveKernel", status=401, times=10)
    with pytest.raises(RemoteUnavailable):
        laptop.run()
    assert laptop.sessions()[0].end_reason == "crashed"
    laptop.kaggle.faults._waiting.clear()
    whole(laptop.run(), laptop)


def test_fetch_opens_a_session_that_was_closed_as_a_crash(laptop: Laptop) -> None:
    laptop.kaggle.faults.add(LISTING, change=lambda answer: {"files": [], "log": ""}, lasting=True)
    laptop.kaggle.faults.add("SaveKernel", change=lambda answer: answer)
    laptop.kaggle.faults.add("SaveKernel", status=401, times=10)
    with pytest.raises(RemoteUnavailable):
        laptop.run()
    laptop.kaggle.faults._waiting.clear()
    laptop.fetch()
    assert laptop.steps_in_place == [30, 40]
    summary = laptop.run()
    assert (summary.verdict, summary.exit_code, laptop.pushes) == ("supported", 0, 1)


def test_complete_said_too_early_with_a_broken_log(laptop: Laptop) -> None:
    entry = laptop.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(
        entry.read_text("utf-8").replace("    score = None", "    __import__('time').sleep(1)\n    score = None"),
        "utf-8",
    )
    laptop.kaggle.faults.add("log", drop="before", times=12)
    laptop.kaggle.faults.add(STATE, change=lambda answer: {"status": "COMPLETE"}, times=2)
    laptop.clock.before_sleep = lambda seconds: __import__("time").sleep(0.1)
    whole(laptop.run(), laptop)


def test_a_command_that_does_not_stay_waits_for_nothing_and_loses_nothing(laptop: Laptop) -> None:
    pushed = laptop.step(starts=True)
    assert (pushed.end_reason, laptop.pushes) == ("detached", 1)
    (kernel,) = laptop.kaggle.kernels.all.values()
    assert kernel.ended.wait(20)
    laptop.kaggle.faults.add(LISTING, change=lambda answer: {"files": [], "log": ""}, lasting=True)
    for _ in range(3):
        with pytest.raises(NotYet, match="not there yet"):
            laptop.step(starts=True)
    assert (laptop.clock.slept_s, laptop.pushes) == (0.0, 1)
    laptop.clock.slept_s += 600.0
    laptop.kaggle.faults._waiting.clear()
    summary = laptop.step(starts=False)
    assert (summary.end_reason, summary.verdict, laptop.pushes) == ("finished", "supported", 1)
    assert laptop.steps_in_place == [30, 40]


def test_a_command_that_does_not_stay_gives_up_after_the_same_time(laptop: Laptop) -> None:
    laptop.step(starts=True)
    (kernel,) = laptop.kaggle.kernels.all.values()
    assert kernel.ended.wait(20)
    laptop.kaggle.faults.add("download", status=503, when=named(f"{NEWEST}.zip"), lasting=True)
    for hours in (0, 1, 4):
        laptop.clock.slept_s = hours * 3600.0
        with pytest.raises(NotYet, match="503"):
            laptop.step(starts=False)
        assert laptop.steps_in_place == [30]
    laptop.clock.slept_s = 7 * 3600.0
    assert laptop.step(starts=False).steps_done == 30
    assert laptop.sessions()[0].stage is Stage.CLOSED


def _write_also(laptop: Laptop, name: str) -> None:
    entry = laptop.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    text = entry.read_text("utf-8")
    act = f"    Path({name!r}).write_text('x')\n    return SectionOutcome("
    entry.write_text(text.replace("    return SectionOutcome(", act), "utf-8")
