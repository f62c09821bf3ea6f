"""The loop on Kaggle as far as it can be had without Kaggle: unmodified client, loopback service, real kernels."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import BadInput, NotYet
from orchestrator.core.run.actions import Action, Start
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.summary import RunSummary
from orchestrator.core.section.card import SectionCard
from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.core.session.backend_types import Handle, Push
from orchestrator.kernel.session.manifest import read_manifest
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.run.runner import execute, preview
from orchestrator.stores.project import Project
from orchestrator.stores.section.card_yaml import load_card
from orchestrator.wiring import assemble
from tests.doubles.kaggle_side import (
    KEY,
    USER,
    HastyClock,
    LeapingClock,
    far_settings,
    kaggle_backend,
    point_at_loopback,
)
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project, set_behaviour
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

SAVE = "SaveKernel"


@dataclass
class Laptop:
    """A project, and the account over there."""

    root: Path
    kaggle: LoopbackKaggle
    listener: Listener
    clock: HastyClock

    def run(self, *, settings: KaggleSettings | None = None, **request: Any) -> RunSummary:
        with self.opened(settings) as (card, context):
            return execute(context, RunRequest(card=card, profile="quick", **request))

    def preview(self, **request: Any) -> tuple[Action, Start, Push]:
        with self.opened(only_look=True) as (card, context):
            return preview(context, RunRequest(card=card, profile="quick", **request))

    def code_digest(self) -> str:
        with self.opened(only_look=True) as (_, context):
            return context.code.bundle().digest

    @contextmanager
    def opened(
        self, settings: KaggleSettings | None = None, *, only_look: bool = False
    ) -> Iterator[tuple[SectionCard, RunContext]]:
        project = Project(code=self.root, state=self.root)
        card = load_card(project.cards, "section_7_6")
        backend = kaggle_backend(settings, self.clock)
        with assemble(project, card, backend, self.listener, clock=self.clock, only_look=only_look) as context:
            yield card, context

    @property
    def told(self) -> str:
        return "\n".join(self.listener.lines)

    def carriers(self) -> list[tuple[list[str], list[str]]]:
        pushes = [entry.request for entry in self.kaggle.journal.of(SAVE)]
        return [(push.get("kernelDataSources", []), push.get("datasetDataSources", [])) for push in pushes]


@pytest.fixture
def laptop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Laptop]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        yield Laptop(make_toy_project(tmp_path / "project"), kaggle, Listener(), HastyClock())


def test_one_session_comes_home(laptop: Laptop) -> None:
    summary = laptop.run()
    assert (summary.end_reason, summary.verdict, summary.steps_done) == ("finished", "supported", 40)
    folder = Path(str(summary.results_dir))
    assert folder.name.startswith("ana_arz-validation-section-7-6-")
    assert read_manifest(folder) is not None
    assert "Starting fresh training" in (folder / "kernel.log").read_text("utf-8")
    (push,) = [entry.request for entry in laptop.kaggle.journal.of(SAVE)]
    assert push["isPrivate"] is True
    assert push["enableGpu"] is True
    assert push["machineShape"] == "NvidiaTeslaT4"
    assert push["newTitle"] == push["slug"].partition("/")[2]
    assert "[CHECKPOINT] ✅ Successfully restored 2 file(s)" in laptop.told


def test_a_chain_uploads_nothing_twice_and_ends_at_its_target(laptop: Laptop) -> None:
    set_behaviour(laptop.root, '{"*": {"do": "pause"}}')
    # Too large for a script: the next session finds them in the outputs of the one before.
    big = laptop.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    big.write_text(big.read_text("utf-8").replace("body[::-1]", "__import__('os').urandom(900_000)"), "utf-8")
    summary = laptop.run()
    assert (summary.steps_done, summary.sessions, summary.end_reason) == (40, 4, "finished")
    sources = [kernels for kernels, _ in laptop.carriers()]
    slugs = [entry.request["slug"] for entry in laptop.kaggle.journal.of(SAVE)]
    assert sources == [[], [slugs[0]], [slugs[1]], [slugs[2]]]
    assert laptop.kaggle.journal.counts["StartBlobUpload"] == 0
    assert laptop.kaggle.kernels.runs == 4


def test_a_name_that_is_taken_over_there_is_never_used_again(laptop: Laptop) -> None:
    laptop.run()
    for lost in (".orchestrator", "validation_output", "validation_ch7/section_7_6_rl_performance/data"):
        shutil.rmtree(laptop.root / lost)
    summary = laptop.run()
    assert str(summary.results_dir).endswith("-s02")
    assert "already belongs to another session; taking the next number" in laptop.told
    assert laptop.kaggle.kernels.runs == 2


def test_a_small_set_travels_inside_the_script(laptop: Laptop) -> None:
    laptop.run()
    summary = laptop.run(add_steps=20)
    assert (summary.steps_start, summary.steps_done, summary.resume_grade) == (40, 60, "exact")
    assert laptop.carriers() == [([], []), ([], [])]


@pytest.mark.parametrize("new_mounts", [True, False])
def test_the_kernel_finds_its_files_wherever_they_are_mounted(laptop: Laptop, new_mounts: bool) -> None:
    laptop.kaggle.settings.new_mounts = new_mounts
    entry = laptop.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(entry.read_text("utf-8").replace("body[::-1]", "__import__('os').urandom(900_000)"), "utf-8")
    laptop.run()
    summary = laptop.run(add_steps=10)
    assert (summary.steps_start, summary.steps_done, summary.sessions) == (40, 50, 1)
    shutil.rmtree(laptop.root / "validation_output")
    assert laptop.run(add_steps=10).steps_start == 50
    assert laptop.carriers()[-1][1]


def test_a_dataset_that_is_mounted_late_is_tried_again_and_never_trained_on(laptop: Laptop) -> None:
    entry = laptop.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(entry.read_text("utf-8").replace("body[::-1]", "__import__('os').urandom(900_000)"), "utf-8")
    laptop.run()
    for _ in range(2):  # two versions, so that the one before the newest can be mounted instead
        shutil.rmtree(laptop.root / "validation_output")
        laptop.kaggle.settings.mount_lag = laptop.kaggle.datasets.all != {}
        laptop.kaggle.faults.add(SAVE, change=lambda answer: answer)
        runs_before = laptop.kaggle.kernels.runs

        def catch_up(answer: dict[str, Any], runs_before: int = runs_before) -> dict[str, Any]:
            laptop.kaggle.settings.mount_lag = False
            return answer

        laptop.kaggle.faults.add(
            "GetKernel", change=catch_up, when=lambda request: request["kernelSlug"].endswith("-a2")
        )
        summary = laptop.run(add_steps=10)
    assert (summary.end_reason, summary.steps_start, summary.steps_done) == ("finished", 50, 60)
    assert "carrier_missing" in laptop.told


def test_a_path_out_of_its_folder_is_refused_and_told(laptop: Laptop) -> None:
    def smuggle(answer: dict[str, Any]) -> dict[str, Any]:
        stolen = {**answer["files"][0], "fileName": "../../../../evil.txt"}
        return {**answer, "files": [*answer["files"], stolen]}

    laptop.kaggle.faults.add("ListKernelSessionOutput", change=smuggle, times=20)
    assert laptop.run().end_reason == "finished"
    assert not list(laptop.root.parent.rglob("evil.txt"))


def test_a_set_that_no_kernel_holds_travels_by_dataset_once(laptop: Laptop) -> None:
    laptop.kaggle.settings.processing_looks = 3
    entry = laptop.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(entry.read_text("utf-8").replace("body[::-1]", "__import__('os').urandom(900_000)"), "utf-8")
    laptop.run()
    # The user's own copy: the results folder that would tell where it came from is gone.
    shutil.rmtree(laptop.root / "validation_output")
    laptop.kaggle.journal.clear()
    summary = laptop.run(add_steps=20)
    assert (summary.steps_start, summary.steps_done) == (40, 60)
    assert laptop.carriers() == [([], ["ana/arz-checkpoints-1d718dcf"])]
    uploads = laptop.kaggle.journal.counts["StartBlobUpload"]
    assert uploads == len({file["sha256"] for file in _inputs(summary)})
    assert laptop.kaggle.journal.counts["CreateDataset"] == 1


def test_a_carrier_that_fails_is_followed_by_a_dataset(laptop: Laptop) -> None:
    entry = laptop.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(entry.read_text("utf-8").replace("body[::-1]", "__import__('os').urandom(900_000)"), "utf-8")
    slug = Path(str(laptop.run().results_dir)).name.removeprefix("ana_")
    for path in laptop.kaggle.kernels.all["ana", slug].outputs.rglob("*.npz"):
        path.unlink()
    summary = laptop.run(add_steps=20)
    assert (summary.steps_done, summary.end_reason) == (60, "finished")
    kernels, datasets = zip(*laptop.carriers()[1:], strict=True)
    assert [bool(names) for names in kernels] == [True, False]
    assert [bool(names) for names in datasets] == [False, True]
    assert "carrier_missing" in laptop.told


def test_inputs_that_a_push_lost_are_told_and_sent_otherwise(laptop: Laptop) -> None:
    entry = laptop.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(entry.read_text("utf-8").replace("body[::-1]", "__import__('os').urandom(900_000)"), "utf-8")
    slug = Path(str(laptop.run().results_dir)).name.removeprefix("ana_")
    del laptop.kaggle.kernels.all["ana", slug]  # the user tidied up on the website
    summary = laptop.run(add_steps=20)
    assert (summary.steps_done, summary.end_reason) == (60, "finished")
    assert f"accepted the push without these inputs: kernel ana/{slug}" in laptop.told
    assert laptop.carriers()[-1] == ([], ["ana/arz-checkpoints-1d718dcf"])


def test_the_outcome_of_a_lost_answer_is_read_back(laptop: Laptop) -> None:
    laptop.kaggle.settings.hidden_looks = 3
    laptop.kaggle.faults.add(SAVE, drop="after")
    assert laptop.run().end_reason == "finished"
    assert laptop.kaggle.kernels.runs == 1


def test_a_push_that_never_arrived_is_sent_again_after_the_window(
    laptop: Laptop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.backends.kaggle.backend.VISIBILITY_S", 0.3)
    laptop.kaggle.faults.add(SAVE, drop="before")
    assert laptop.run().end_reason == "finished"
    assert laptop.kaggle.kernels.runs == 1


@pytest.mark.parametrize("body", [{}, {"ref": ""}])
def test_an_answer_that_says_neither_yes_nor_no_is_read_back(laptop: Laptop, body: dict[str, Any]) -> None:
    laptop.kaggle.faults.add(SAVE, change=lambda answer: body)
    assert laptop.run().end_reason == "finished"
    assert laptop.kaggle.kernels.runs == 1


@pytest.mark.parametrize("method", [SAVE, "GetKernel", "GetKernelSessionStatus", "ListKernelSessionOutput"])
def test_a_body_of_another_shape_is_weather(laptop: Laptop, method: str) -> None:
    laptop.kaggle.faults.add(method, change=lambda answer: None)
    assert laptop.run().end_reason == "finished"
    assert laptop.kaggle.kernels.runs == 1


def test_a_state_that_is_forbidden_for_a_while_is_no_end(laptop: Laptop) -> None:
    laptop.kaggle.faults.add("GetKernelSessionStatus", status=403, times=2)
    assert laptop.run().end_reason == "finished"


def test_the_last_line_counts_even_without_its_end(laptop: Laptop) -> None:
    entry = laptop.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    text = entry.read_text("utf-8")
    entry.write_text(
        text + "\nimport atexit, sys\natexit.register(sys.stdout.write, '[CHECKPOINT] the end')\n", "utf-8"
    )
    laptop.run()
    assert laptop.told.count("[CHECKPOINT] the end") == 1


def test_weather_on_every_question_changes_nothing(laptop: Laptop) -> None:
    for method in ("GetKernelSessionStatus", "ListKernelSessionOutput", "GetKernel", "download"):
        laptop.kaggle.faults.add(method, status=503)
        laptop.kaggle.faults.add(method, status=429, retry_after="7")
        laptop.kaggle.faults.add(method, drop="before")
    laptop.kaggle.faults.add("download", truncate=True)
    laptop.kaggle.faults.add("ListKernelSessionOutput", status=502, body="<html>bad gateway</html>")
    summary = laptop.run()
    assert (summary.end_reason, summary.problems) == ("finished", ())


def test_expired_addresses_are_asked_for_again(laptop: Laptop) -> None:
    laptop.kaggle.faults.add("download", status=403, body="<Error><Code>ExpiredToken</Code></Error>", times=4)
    summary = laptop.run()
    assert (summary.end_reason, summary.problems) == ("finished", ())
    for path in Path(str(summary.results_dir)).rglob("*"):
        assert not path.is_file() or b"ExpiredToken" not in path.read_bytes()


def test_outputs_come_in_pages_and_late(laptop: Laptop) -> None:
    laptop.kaggle.settings.page_limit = 2
    held: list[Any] = []

    def hide_most(answer: dict[str, Any]) -> dict[str, Any]:
        held.append(answer)
        return {**answer, "files": answer["files"][:1], "nextPageToken": ""}

    laptop.kaggle.faults.add("ListKernelSessionOutput", change=hide_most, times=3)
    summary = laptop.run()
    assert len(held) == 3
    assert (summary.end_reason, summary.problems, len(summary.restored)) == ("finished", (), 2)


def test_a_state_that_nobody_knows_is_told_and_waited_out(laptop: Laptop) -> None:
    laptop.kaggle.faults.add("GetKernelSessionStatus", change=lambda answer: {"status": "DEFROSTING"}, times=2)
    assert laptop.run().end_reason == "finished"
    assert "DEFROSTING (unknown)" in laptop.told


def test_a_live_log_that_breaks_again_and_again_is_told_once(laptop: Laptop) -> None:
    laptop.kaggle.settings.stream_events = 4
    laptop.run()
    steps = [report["steps"] for report in laptop.listener.reports if report["kind"] == "progress"]
    assert steps == [10, 20, 30, 40]


def test_a_session_that_met_its_limit_is_gone_on_with(laptop: Laptop) -> None:
    entry = laptop.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    text = entry.read_text("utf-8")
    hang = "        if act.get('do') == 'hang': __import__('time').sleep(600)\n"
    mark = '        if act.get("do") == "die_after_save"'
    entry.write_text(text.replace(mark, hang + mark), "utf-8")
    set_behaviour(laptop.root, '{"1": {"do": "hang"}}')
    laptop.kaggle.settings.limit_scale = 0.01
    summary = laptop.run(settings=KaggleSettings(device="cpu", session_timeout_s=303.0), deadline_s=2.0)
    assert (summary.end_reason, summary.steps_done) == ("finished", 40)


def test_a_refused_push_is_no_run(laptop: Laptop) -> None:
    laptop.kaggle.faults.add(SAVE, change=lambda answer: {"error": "Notebook not found"})
    with pytest.raises(BadInput, match="Notebook not found"):
        laptop.run()


def test_a_full_house_and_a_brake_are_waited_for(laptop: Laptop) -> None:
    laptop.kaggle.settings.gpu_sessions = 0
    laptop.kaggle.faults.add(SAVE, status=429, retry_after="3")
    waits: list[float] = []

    def somebody_elses_session_ends(seconds: float) -> None:
        waits.append(seconds)
        laptop.kaggle.settings.gpu_sessions = 2 if len(waits) > 2 else 0

    laptop.clock.before_sleep = somebody_elses_session_ends
    assert laptop.run().end_reason == "finished"
    assert waits[0] == 3.0
    assert "HTTP 429" in laptop.told
    assert "Maximum batch GPU session count" in laptop.told
    assert laptop.kaggle.kernels.runs == 1


def test_the_quota_left_shortens_the_session(laptop: Laptop) -> None:
    laptop.kaggle.settings.gpu_used = timedelta(hours=30) - timedelta(seconds=901)
    laptop.run(deadline_s=5000.0)
    (push,) = laptop.kaggle.journal.of(SAVE)
    assert "'deadline_s': 90" in push.request["text"]


def test_a_dry_run_reports_a_spent_quota_and_does_not_wait(laptop: Laptop) -> None:
    laptop.kaggle.settings.gpu_used = timedelta(hours=30)

    def refuse(_: float) -> None:
        raise AssertionError("a dry run waits")

    laptop.clock.before_sleep = refuse
    with pytest.raises(NotYet, match="0 minutes of the weekly GPU quota are left"):
        laptop.preview()


@pytest.mark.parametrize("sessions_before", [0, 1])
def test_what_changes_during_a_wait_for_the_quota_counts(laptop: Laptop, sessions_before: int) -> None:
    section = laptop.root / "validation_ch7/section_7_6_rl_performance"
    laptop.run(target_steps=20)
    set_behaviour(laptop.root, '{"2": {"do": "pause"}}' if sessions_before else "{}")
    laptop.clock, quota, waits = LeapingClock(), laptop.kaggle.settings, []

    def spend(answer: dict[str, Any] | None = None) -> dict[str, Any]:
        quota.gpu_used = timedelta(hours=30)
        return answer or {}

    def meanwhile(seconds: float) -> None:
        if not waits and seconds == 900.0:
            waits.append(seconds)
            quota.gpu_used = timedelta(0)
            (section / "entry.py").write_text((section / "entry.py").read_text("utf-8") + "# corrected\n", "utf-8")
            if not sessions_before:
                shutil.rmtree(section / "data/models/checkpoints")

    laptop.clock.before_sleep = meanwhile
    if sessions_before:
        laptop.kaggle.faults.add(SAVE, change=spend)
    else:
        spend()
    summary = laptop.run()
    assert (summary.steps_start, summary.steps_done) == (20 if sessions_before else 0, 40)
    assert waits and laptop.told.count("Waiting until") == 1
    assert laptop.code_digest() in laptop.kaggle.journal.of(SAVE)[-1].request["text"]


def test_fetching_again_downloads_nothing_that_is_there(laptop: Laptop) -> None:
    summary = laptop.run()
    laptop.kaggle.journal.clear()
    folder = Path(str(summary.results_dir))
    handle = Handle(backend="kaggle", owner="ana", slug=folder.name.removeprefix("ana_"))
    kaggle_backend().fetch(handle, folder)
    assert laptop.kaggle.journal.counts["download"] == 1  # the manifest, which tells about all others


def test_no_secret_is_written_anywhere(laptop: Laptop) -> None:
    laptop.run()
    laptop.run(add_steps=20)
    for path in laptop.root.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    assert KEY not in laptop.told
    assert all(KEY not in json.dumps(entry.request) for entry in laptop.kaggle.journal.entries)


def _inputs(summary: RunSummary) -> list[dict[str, Any]]:
    plain = json.loads((Path(str(summary.results_dir)) / "session_manifest.json").read_text("utf-8"))
    inputs: list[dict[str, Any]] = plain["inputs"]
    return inputs
