"""The run loop on Kaggle, tested without Kaggle: unmodified client, loopback service, real kernels."""

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
    FastForwardClock,
    ShortSleepClock,
    far_settings,
    kaggle_backend,
    point_at_loopback,
)
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project, set_behaviour
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

SAVE = "SaveKernel"


@dataclass
class KaggleProject:
    """A project and its account on the loopback service."""

    root: Path
    kaggle: LoopbackKaggle
    listener: Listener
    clock: ShortSleepClock

    def run(self, *, settings: KaggleSettings | None = None, **request: Any) -> RunSummary:
        with self.opened(settings) as (card, context):
            return execute(context, RunRequest(card=card, profile="quick", **request))

    def preview(self, **request: Any) -> tuple[Action, Start, Push]:
        with self.opened(only_look=True) as (card, context):
            return preview(context, RunRequest(card=card, profile="quick", **request))

    def code_digest(self) -> str:
        with self.opened(only_look=True) as (card, context):
            return context.code.bundle(card).digest

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
    def output(self) -> str:
        return "\n".join(self.listener.lines)

    def carriers(self) -> list[tuple[list[str], list[str]]]:
        pushes = [entry.request for entry in self.kaggle.journal.of(SAVE)]
        return [(push.get("kernelDataSources", []), push.get("datasetDataSources", [])) for push in pushes]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleProject]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings(offers_zip=False)) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        yield KaggleProject(make_toy_project(tmp_path / "project"), kaggle, Listener(), ShortSleepClock())


def test_one_session_runs_and_is_collected(project: KaggleProject) -> None:
    summary = project.run()
    assert (summary.end_reason, summary.verdict, summary.steps_done) == ("finished", "supported", 40)
    folder = Path(str(summary.results_dir))
    assert folder.name.startswith("ana_arz-validation-section-7-6-")
    assert read_manifest(folder) is not None
    assert "Starting fresh training" in (folder / "kernel.log").read_text("utf-8")
    (push,) = [entry.request for entry in project.kaggle.journal.of(SAVE)]
    assert push["isPrivate"] is True
    assert push["enableGpu"] is True
    assert push["machineShape"] == "NvidiaTeslaT4"
    assert push["newTitle"] == push["slug"].partition("/")[2]
    assert "[CHECKPOINT] ✅ Successfully restored 2 file(s)" in project.output


def test_chain_mounts_earlier_outputs_instead_of_uploading_them(project: KaggleProject) -> None:
    set_behaviour(project.root, '{"*": {"do": "pause"}}')
    # Too large for inlining: the next session mounts the outputs of the previous one.
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(entry.read_text("utf-8").replace("body[::-1]", "__import__('os').urandom(900_000)"), "utf-8")
    summary = project.run()
    assert (summary.steps_done, summary.sessions, summary.end_reason) == (40, 4, "finished")
    sources = [kernels for kernels, _ in project.carriers()]
    slugs = [entry.request["slug"] for entry in project.kaggle.journal.of(SAVE)]
    assert sources == [[], [slugs[0]], [slugs[1]], [slugs[2]]]
    assert project.kaggle.journal.counts["StartBlobUpload"] == 0
    assert project.kaggle.kernels.runs == 4


def test_slug_taken_on_kaggle_is_never_reused(project: KaggleProject) -> None:
    project.run()
    for lost in (".orchestrator", "validation_output", "validation_ch7/section_7_6_rl_performance/data"):
        shutil.rmtree(project.root / lost)
    summary = project.run()
    assert str(summary.results_dir).endswith("-s02")
    assert "already belongs to another session; taking the next number" in project.output
    assert project.kaggle.kernels.runs == 2


def test_small_checkpoint_set_is_inlined_in_the_script(project: KaggleProject) -> None:
    project.run()
    summary = project.run(add_steps=20)
    assert (summary.steps_start, summary.steps_done, summary.resume_grade) == (40, 60, "exact")
    assert project.carriers() == [([], []), ([], [])]


@pytest.mark.parametrize("new_mounts", [True, False])
def test_kernel_finds_its_inputs_under_old_and_new_mount_paths(project: KaggleProject, new_mounts: bool) -> None:
    project.kaggle.settings.new_mounts = new_mounts
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(entry.read_text("utf-8").replace("body[::-1]", "__import__('os').urandom(900_000)"), "utf-8")
    project.run()
    summary = project.run(add_steps=10)
    assert (summary.steps_start, summary.steps_done, summary.sessions) == (40, 50, 1)
    shutil.rmtree(project.root / "validation_output")
    assert project.run(add_steps=10).steps_start == 50
    assert project.carriers()[-1][1]


def test_stale_dataset_mount_is_retried_and_never_trained_on(project: KaggleProject) -> None:
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(entry.read_text("utf-8").replace("body[::-1]", "__import__('os').urandom(900_000)"), "utf-8")
    project.run()
    for _ in range(2):  # two versions, so that the older one can be mounted
        shutil.rmtree(project.root / "validation_output")
        project.kaggle.settings.mount_lag = project.kaggle.datasets.all != {}
        project.kaggle.faults.add(SAVE, change=lambda answer: answer)
        runs_before = project.kaggle.kernels.runs

        def mount_newest(answer: dict[str, Any], runs_before: int = runs_before) -> dict[str, Any]:
            project.kaggle.settings.mount_lag = False
            return answer

        project.kaggle.faults.add(
            "GetKernel", change=mount_newest, when=lambda request: request["kernelSlug"].endswith("-a2")
        )
        summary = project.run(add_steps=10)
    assert (summary.end_reason, summary.steps_start, summary.steps_done) == ("finished", 50, 60)
    assert "Session ended: carrier_missing (log: " in project.output


def test_output_path_outside_its_folder_is_not_written(project: KaggleProject) -> None:
    def add_escaping_path(answer: dict[str, Any]) -> dict[str, Any]:
        escaping = {**answer["files"][0], "fileName": "../../../../evil.txt"}
        return {**answer, "files": [*answer["files"], escaping]}

    project.kaggle.faults.add("ListKernelSessionOutput", change=add_escaping_path, times=20)
    assert project.run().end_reason == "finished"
    assert not list(project.root.parent.rglob("evil.txt"))


def test_checkpoints_without_a_source_kernel_are_uploaded_once_as_dataset(project: KaggleProject) -> None:
    project.kaggle.settings.processing_looks = 3
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(entry.read_text("utf-8").replace("body[::-1]", "__import__('os').urandom(900_000)"), "utf-8")
    project.run()
    # Without the results folder the source kernel of the checkpoints is unknown.
    shutil.rmtree(project.root / "validation_output")
    project.kaggle.journal.clear()
    summary = project.run(add_steps=20)
    assert (summary.steps_start, summary.steps_done) == (40, 60)
    assert project.carriers() == [([], ["ana/arz-checkpoints-1d718dcf"])]
    uploads = project.kaggle.journal.counts["StartBlobUpload"]
    assert uploads == len({file["sha256"] for file in _inputs(summary)})
    assert project.kaggle.journal.counts["CreateDataset"] == 1


def test_failed_kernel_carrier_falls_back_to_a_dataset(project: KaggleProject) -> None:
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(entry.read_text("utf-8").replace("body[::-1]", "__import__('os').urandom(900_000)"), "utf-8")
    slug = Path(str(project.run().results_dir)).name.removeprefix("ana_")
    for path in project.kaggle.kernels.all["ana", slug].outputs.rglob("*.npz"):
        path.unlink()
    summary = project.run(add_steps=20)
    assert (summary.steps_done, summary.end_reason) == (60, "finished")
    kernels, datasets = zip(*project.carriers()[1:], strict=True)
    assert [bool(names) for names in kernels] == [True, False]
    assert [bool(names) for names in datasets] == [False, True]
    assert "carrier_missing" in project.output


def test_inputs_dropped_by_a_push_are_reported_and_sent_as_dataset(project: KaggleProject) -> None:
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(entry.read_text("utf-8").replace("body[::-1]", "__import__('os').urandom(900_000)"), "utf-8")
    slug = Path(str(project.run().results_dir)).name.removeprefix("ana_")
    del project.kaggle.kernels.all["ana", slug]  # the user deleted the kernel on the website
    summary = project.run(add_steps=20)
    assert (summary.steps_done, summary.end_reason) == (60, "finished")
    assert f"accepted the push without these inputs: kernel ana/{slug}" in project.output
    assert project.carriers()[-1] == ([], ["ana/arz-checkpoints-1d718dcf"])


def test_outcome_of_a_lost_push_answer_is_read_back(project: KaggleProject) -> None:
    project.kaggle.settings.hidden_looks = 3
    project.kaggle.faults.add(SAVE, drop="after")
    assert project.run().end_reason == "finished"
    assert project.kaggle.kernels.runs == 1


def test_push_that_never_arrived_is_repeated_after_the_visibility_window(
    project: KaggleProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.backends.kaggle.backend.VISIBILITY_S", 0.3)
    project.kaggle.faults.add(SAVE, drop="before")
    assert project.run().end_reason == "finished"
    assert project.kaggle.kernels.runs == 1


@pytest.mark.parametrize("body", [{}, {"ref": ""}])
def test_ambiguous_push_answer_is_read_back(project: KaggleProject, body: dict[str, Any]) -> None:
    project.kaggle.faults.add(SAVE, change=lambda answer: body)
    assert project.run().end_reason == "finished"
    assert project.kaggle.kernels.runs == 1


@pytest.mark.parametrize("method", [SAVE, "GetKernel", "GetKernelSessionStatus", "ListKernelSessionOutput"])
def test_unexpected_response_body_is_retried(project: KaggleProject, method: str) -> None:
    project.kaggle.faults.add(method, change=lambda answer: None)
    assert project.run().end_reason == "finished"
    assert project.kaggle.kernels.runs == 1


def test_temporary_403_on_the_state_does_not_end_the_run(project: KaggleProject) -> None:
    project.kaggle.faults.add("GetKernelSessionStatus", status=403, times=2)
    assert project.run().end_reason == "finished"


def test_last_log_line_without_newline_is_printed_once(project: KaggleProject) -> None:
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    text = entry.read_text("utf-8")
    entry.write_text(
        text + "\nimport atexit, sys\natexit.register(sys.stdout.write, '[CHECKPOINT] the end')\n", "utf-8"
    )
    project.run()
    assert project.output.count("[CHECKPOINT] the end") == 1


def test_transient_faults_on_every_request_change_nothing(project: KaggleProject) -> None:
    for method in ("GetKernelSessionStatus", "ListKernelSessionOutput", "GetKernel", "download"):
        project.kaggle.faults.add(method, status=503)
        project.kaggle.faults.add(method, status=429, retry_after="7")
        project.kaggle.faults.add(method, drop="before")
    project.kaggle.faults.add("download", truncate=True)
    project.kaggle.faults.add("ListKernelSessionOutput", status=502, body="<html>bad gateway</html>")
    summary = project.run()
    assert (summary.end_reason, summary.problems) == ("finished", ())


def test_expired_download_urls_are_renewed(project: KaggleProject) -> None:
    project.kaggle.faults.add("download", status=403, body="<Error><Code>ExpiredToken</Code></Error>", times=4)
    summary = project.run()
    assert (summary.end_reason, summary.problems) == ("finished", ())
    for path in Path(str(summary.results_dir)).rglob("*"):
        assert not path.is_file() or b"ExpiredToken" not in path.read_bytes()


def test_paged_and_late_outputs_are_fetched_completely(project: KaggleProject) -> None:
    project.kaggle.settings.page_limit = 2
    pages: list[Any] = []

    def hide_most(answer: dict[str, Any]) -> dict[str, Any]:
        pages.append(answer)
        return {**answer, "files": answer["files"][:1], "nextPageToken": ""}

    project.kaggle.faults.add("ListKernelSessionOutput", change=hide_most, times=3)
    summary = project.run()
    assert len(pages) == 3
    assert (summary.end_reason, summary.problems, len(summary.restored)) == ("finished", (), 2)


def test_unknown_state_is_reported_and_awaited(project: KaggleProject) -> None:
    project.kaggle.faults.add("GetKernelSessionStatus", change=lambda answer: {"status": "DEFROSTING"}, times=2)
    assert project.run().end_reason == "finished"
    assert "DEFROSTING (unknown)" in project.output


def test_broken_live_log_is_resumed_without_repeated_lines(project: KaggleProject) -> None:
    project.kaggle.settings.stream_events = 4
    project.run()
    steps = [report["steps"] for report in project.listener.reports if report["kind"] == "progress"]
    assert steps == [10, 20, 30, 40]


def test_run_continues_after_a_session_hit_its_time_limit(project: KaggleProject) -> None:
    entry = project.root / "validation_ch7/section_7_6_rl_performance/entry.py"
    text = entry.read_text("utf-8")
    hang = "        if act.get('do') == 'hang': __import__('time').sleep(600)\n"
    mark = '        if act.get("do") == "die_after_save"'
    entry.write_text(text.replace(mark, hang + mark), "utf-8")
    set_behaviour(project.root, '{"1": {"do": "hang"}}')
    project.kaggle.settings.limit_scale = 0.01
    summary = project.run(settings=KaggleSettings(device="cpu", session_timeout_s=303.0), deadline_s=2.0)
    assert (summary.end_reason, summary.steps_done) == ("finished", 40)


def test_refused_push_raises_bad_input(project: KaggleProject) -> None:
    project.kaggle.faults.add(SAVE, change=lambda answer: {"error": "Notebook not found"})
    with pytest.raises(BadInput, match="Notebook not found"):
        project.run()


def test_push_waits_for_a_free_slot_and_a_rate_limit(project: KaggleProject) -> None:
    project.kaggle.settings.gpu_sessions = 0
    project.kaggle.faults.add(SAVE, status=429, retry_after="3")
    waits: list[float] = []

    def free_slots_after_two_waits(seconds: float) -> None:
        waits.append(seconds)
        project.kaggle.settings.gpu_sessions = 2 if len(waits) > 2 else 0

    project.clock.before_sleep = free_slots_after_two_waits
    assert project.run().end_reason == "finished"
    assert waits[0] == 3.0
    assert "HTTP 429" in project.output
    assert "Maximum batch GPU session count" in project.output
    assert project.kaggle.kernels.runs == 1


def test_remaining_quota_shortens_the_session(project: KaggleProject) -> None:
    project.kaggle.settings.gpu_used = timedelta(hours=30) - timedelta(seconds=901)
    project.run(deadline_s=5000.0)
    (push,) = project.kaggle.journal.of(SAVE)
    assert "'deadline_s': 90" in push.request["text"]


def test_a_dry_run_reports_a_spent_quota_and_does_not_wait(project: KaggleProject) -> None:
    project.kaggle.settings.gpu_used = timedelta(hours=30)

    def refuse(_: float) -> None:
        raise AssertionError("a dry run waits")

    project.clock.before_sleep = refuse
    with pytest.raises(NotYet, match="0 minutes of the weekly GPU quota are left"):
        project.preview()


@pytest.mark.parametrize("sessions_before", [0, 1])
def test_what_changes_during_a_wait_for_the_quota_counts(project: KaggleProject, sessions_before: int) -> None:
    section = project.root / "validation_ch7/section_7_6_rl_performance"
    project.run(target_steps=20)
    set_behaviour(project.root, '{"2": {"do": "pause"}}' if sessions_before else "{}")
    project.clock, quota, waits = FastForwardClock(), project.kaggle.settings, []

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

    project.clock.before_sleep = meanwhile
    if sessions_before:
        project.kaggle.faults.add(SAVE, change=spend)
    else:
        spend()
    summary = project.run()
    assert (summary.steps_start, summary.steps_done) == (20 if sessions_before else 0, 40)
    assert waits and "\n".join(project.listener.lines).count("Waiting until") == 1
    assert project.code_digest() in project.kaggle.journal.of(SAVE)[-1].request["text"]


def test_repeated_fetch_downloads_only_the_manifest(project: KaggleProject) -> None:
    summary = project.run()
    project.kaggle.journal.clear()
    folder = Path(str(summary.results_dir))
    handle = Handle(backend="kaggle", owner="ana", slug=folder.name.removeprefix("ana_"))
    kaggle_backend().fetch(handle, folder)
    assert project.kaggle.journal.counts["download"] == 1  # the manifest, which lists all others


def test_kaggle_key_is_never_stored_or_printed(project: KaggleProject) -> None:
    project.run()
    project.run(add_steps=20)
    for path in project.root.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    assert KEY not in project.output
    assert all(KEY not in json.dumps(entry.request) for entry in project.kaggle.journal.entries)


def _inputs(summary: RunSummary) -> list[dict[str, Any]]:
    plain = json.loads((Path(str(summary.results_dir)) / "session_manifest.json").read_text("utf-8"))
    inputs: list[dict[str, Any]] = plain["inputs"]
    return inputs
