"""`campaign sweep` on Kaggle: old kernels of finished trainings are deleted, and nothing that is still needed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.campaign.sweeping import on_backend, reasons_to_keep
from tests.acceptance.test_kaggle_commands import invoke
from tests.acceptance.test_kaggle_loop import KaggleProject
from tests.doubles.commands import orchestrate
from tests.doubles.kaggle_side import KEY, USER, ShortSleepClock, far_settings, point_at_loopback
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project, set_behaviour
from tests.emulator.loopback import loopback_kaggle

DELETE = "DeleteKernel"
CAMPAIGN = """
campaign: single
backend: kaggle
concurrency: 1
trials:
  toy:
    section: section_7_6
    profile: quick
    seeds: 1
"""
SWEEP = ("campaign", "sweep", "single.yaml")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KaggleProject]:
    point_at_loopback(monkeypatch)
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        project = KaggleProject(make_toy_project(tmp_path / "project"), kaggle, Listener(), ShortSleepClock())
        (project.root / "single.yaml").write_text(CAMPAIGN, encoding="utf-8")
        yield project


def train(project: KaggleProject, sessions: int = 4) -> list[str]:
    """A finished training of four sessions; returns their slugs, oldest first."""
    set_behaviour(project.root, '{"1": {"do": "pause"}, "2": {"do": "pause"}, "3": {"do": "pause"}}')
    summary = project.run()
    assert (summary.end_reason, summary.sessions) == ("finished", sessions)
    slugs = [slug for _, slug in project.kaggle.kernels.all]
    assert len(slugs) == sessions
    return slugs


def left(project: KaggleProject) -> list[str]:
    return [slug for _, slug in project.kaggle.kernels.all]


def kept(answer: Any) -> dict[str, str]:
    return {row["session"]: row["kept"] for row in answer.json["kernels"] if row["kept"]}


def files_of(root: Path) -> dict[str, int]:
    """File -> time of its last change; SQLite changes files beside the ledger to read it."""
    paths = (path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.as_posix(): path.stat().st_mtime_ns for path in paths if "ledger.sqlite-" not in path.name}


def results_of(project: KaggleProject, slug: str) -> Path:
    (folder,) = (project.root / "validation_output/results").glob(f"*{slug}")
    return folder


def test_the_newest_two_stay_and_a_dry_run_deletes_nothing(project: KaggleProject) -> None:
    slugs = train(project)
    before = files_of(project.root)
    dry = invoke(project, *SWEEP, "--dry-run", "--json")
    assert dry.code == 0, dry.err
    assert files_of(project.root) == before  # it works on a read-only disk, and beside a tick
    assert [row["session"] for row in dry.json["kernels"] if row["deleted"]] == slugs[:2]
    assert dry.json["dry_run"] is True and left(project) == slugs and not project.kaggle.journal.of(DELETE)
    swept = invoke(project, *SWEEP)
    assert swept.code == 0, swept.err
    assert left(project) == slugs[2:]
    assert [line.split()[-1] for line in swept.out.splitlines() if line.startswith("deleted")] == slugs[:2]
    assert "2 kernel(s) deleted, 2 kept" in swept.out
    again = invoke(project, *SWEEP, "--json")
    assert (again.code, len(project.kaggle.journal.of(DELETE))) == (0, 2)
    assert [row["session"] for row in again.json["kernels"]] == slugs[2:]


def test_after_a_sweep_the_training_continues_and_nothing_asks_for_the_deleted_kernels(project: KaggleProject) -> None:
    slugs = train(project)
    assert invoke(project, *SWEEP).code == 0
    project.kaggle.journal.clear()
    results = invoke(project, "campaign", "results", "single.yaml")
    assert results.code == 0, results.err
    tick = invoke(project, "campaign", "tick", "single.yaml", "--recover-missing")
    assert tick.code == 0, tick.err
    more = project.run(target_steps=60)
    assert (more.steps_start, more.steps_done, more.resume_grade) == (40, 60, "exact")
    asked = json.dumps([entry.request for entry in project.kaggle.journal.entries])
    assert slugs[0] not in asked and slugs[1] not in asked


@pytest.mark.parametrize("harm", ["no folder", "wrong byte", "no manifest", "foreign manifest"])
def test_a_kernel_whose_outputs_are_not_verified_here_stays(project: KaggleProject, harm: str) -> None:
    slugs = train(project)
    folder = results_of(project, slugs[0])
    manifest = folder / "session_manifest.json"
    if harm == "no folder":
        shutil.rmtree(folder)
    elif harm == "wrong byte":
        next(folder.rglob("*_10_steps.zip")).write_bytes(b"something else")
    elif harm == "no manifest":
        manifest.unlink()
    else:
        shutil.copyfile(results_of(project, slugs[1]) / "session_manifest.json", manifest)
    answer = invoke(project, *SWEEP, "--json")
    assert answer.code == 0, answer.err
    assert "not verified here" in kept(answer)[slugs[0]]
    assert left(project) == [slugs[0], *slugs[2:]]


def test_nothing_is_deleted_while_the_checkpoints_are_not_in_place(project: KaggleProject) -> None:
    slugs = train(project)
    shutil.rmtree(project.root / "validation_ch7/section_7_6_rl_performance/data/models/checkpoints")
    answer = invoke(project, *SWEEP, "--json")
    assert answer.code == 1 and "of 40 steps are in place here" in kept(answer)[""]
    assert left(project) == slugs


def test_the_kernel_that_the_next_session_would_mount_stays(project: KaggleProject) -> None:
    slugs = train(project)
    with project.opened() as (card, context):
        sessions = on_backend(context.ledger.sessions(card.lineage.id), "kaggle")

        def outputs_of(record: Any) -> Any:
            return context.results.manifest(Path(record.results_dir))

        (first, why), (_, other), *_ = reasons_to_keep(sessions, sessions[0].handle, (), outputs_of)
        assert first.slug == slugs[0] and "would mount its outputs" in why and other == ""
        manifest, _ = outputs_of(sessions[1])
        digest = manifest.files[0].sha256
        assert dict((one.slug, why) for one, why in reasons_to_keep(sessions, None, {digest}, outputs_of))[slugs[1]]


def test_an_unfinished_training_is_left_alone(project: KaggleProject) -> None:
    slugs = train(project)
    file = project.root / "single.yaml"
    file.write_text(CAMPAIGN.replace("seeds: 1", "seeds: 1\n    settings: {profiles.quick.target_steps: 80}"), "utf-8")
    answer = invoke(project, *SWEEP, "--json")
    assert (answer.code, answer.json["kernels"], left(project)) == (0, [], slugs)


def test_a_name_that_holds_another_session_by_now_is_not_deleted(project: KaggleProject) -> None:
    slugs = train(project)
    project.kaggle.kernels.all[USER, slugs[0]].request.text = "print('mine')"
    assert invoke(project, *SWEEP).code == 0
    assert left(project) == [slugs[0], *slugs[2:]] and len(project.kaggle.journal.of(DELETE)) == 1


@pytest.mark.parametrize("fault", [{"drop": "after"}, {"drop": "before"}, {"status": 503}])
def test_a_lost_answer_is_repeated(project: KaggleProject, fault: dict[str, Any]) -> None:
    slugs = train(project)
    project.kaggle.faults.add(DELETE, **fault)
    assert invoke(project, *SWEEP).code == 0
    assert left(project) == slugs[2:]


def test_a_refused_delete_is_reported_and_the_others_go_on(project: KaggleProject) -> None:
    slugs = train(project)
    project.kaggle.faults.add(DELETE, status=403)
    answer = invoke(project, *SWEEP, "--json")
    assert answer.code == 1 and "Kaggle refused to delete" in kept(answer)[slugs[0]]
    assert left(project) == [slugs[0], *slugs[2:]]
    assert invoke(project, *SWEEP).code == 0 and left(project) == slugs[2:]


def test_the_local_backend_refuses(tmp_path: Path) -> None:
    root = make_toy_project(tmp_path / "project")
    (root / "single.yaml").write_text(CAMPAIGN.replace("backend: kaggle\n", ""), encoding="utf-8")
    answer = orchestrate(root, *SWEEP)
    assert answer.code == 2
    assert "local keeps no kernels that a sweep could delete" in answer.err and "--backend kaggle" in answer.err
