"""A campaign whose trainings share kernels, on the loopback Kaggle: zips and sweep."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.ledger.events import EventKind
from orchestrator.kernel.session.manifest import read_manifest
from tests.acceptance.test_campaign_sweep import DELETE, files_of, kept, left
from tests.acceptance.test_kaggle_cancel import STATE, ZIP
from tests.acceptance.test_kaggle_commands import invoke
from tests.acceptance.test_kaggle_loop import KaggleProject
from tests.doubles.commands import orchestrate
from tests.doubles.kaggle_side import KEY, USER, ShortSleepClock, far_settings, loopback_variables, point_at_loopback
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project
from tests.emulator.kernels import Kernel
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

CAMPAIGN = """
campaign: packed
backend: kaggle
concurrency: 1
pack: 2
assume: {steps_per_s: 100, start_s: 1, save_s: 1}
trials:
  main: {section: section_7_6, profile: quick, seeds: 2}
"""
SWEEP = ("campaign", "sweep", "packed.yaml")


@dataclass(frozen=True)
class Trained:
    """A finished campaign: its project, its kernels, and the requests by method."""

    root: Path
    kaggle: LoopbackKaggle
    kernels: dict[tuple[str, str], Kernel]
    requests: Counter[str]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """Two finished trainings of three sessions each, in three kernels; Kaggle has given the first another name."""
    folder = tmp_path_factory.mktemp("packs")
    with loopback_kaggle(folder / "kaggle", settings=far_settings()) as kaggle:
        kaggle.accounts.add(USER, key=KEY)
        root = make_toy_project(folder / "project", '{"1": {"do": "pause"}, "2": {"do": "pause"}}')
        (root / "packed.yaml").write_text(CAMPAIGN, encoding="utf-8")

        def renamed(answer: dict[str, Any]) -> dict[str, Any]:
            kernel = kaggle.kernels.all.pop((USER, str(answer["ref"]).rpartition("/")[2]))
            kernel.slug += "-other"
            kaggle.kernels.all[USER, kernel.slug] = kernel
            return {**answer, "ref": f"/code/{USER}/{kernel.slug}"}

        kaggle.faults.add("SaveKernel", change=renamed)
        run = ("campaign", "run", "packed.yaml", "--every-s", "0.5", "--json")
        answer = orchestrate(root, *run, **loopback_variables())
        assert answer.code == 0 and answer.json["complete"], answer.err
        yield Trained(root=root, kaggle=kaggle, kernels=dict(kaggle.kernels.all), requests=kaggle.journal.counts)


@pytest.fixture
def project(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> KaggleProject:
    """A copy of the finished campaign, with all its kernels."""
    point_at_loopback(monkeypatch)
    trained.kaggle.kernels.all.clear()
    trained.kaggle.kernels.all.update(trained.kernels)
    trained.kaggle.journal.clear()
    root = shutil.copytree(trained.root, tmp_path / "project")
    return KaggleProject(root, trained.kaggle, Listener(), ShortSleepClock())


def test_each_session_takes_its_files_from_the_zip_of_its_kernel(trained: Trained) -> None:
    """Six sessions: a zip for each kernel, the manifest of each session, and no other file by itself."""
    counts = trained.requests
    print(f"requests beside looks at the state: {sum(counts.values()) - counts[STATE]}: {dict(counts)}")
    assert (counts["SaveKernel"], counts[ZIP], counts["download"]) == (3, 3, 6)
    logs = list((trained.root / "validation_output/results").glob("*/kernel.log"))
    assert len(logs) == 6
    assert all(read_manifest(log.parent) is not None for log in logs)


def test_a_shared_kernel_is_swept_once_no_training_in_it_needs_it(project: KaggleProject) -> None:
    slugs, before = left(project), files_of(project.root)
    assert [slug.partition("-s0")[2] for slug in slugs] == ["1-p-other", "2-p", "3-p"]
    dry = invoke(project, *SWEEP, "--dry-run", "--json")
    assert dry.code == 0, dry.err
    assert files_of(project.root) == before and left(project) == slugs
    (row,) = [row for row in dry.json["kernels"] if row["deleted"]]
    assert row["session"] == slugs[0] and "seed 0" in row["training"] and "seed 1" in row["training"]
    swept = invoke(project, *SWEEP)
    assert swept.code == 0, swept.err
    assert left(project) == slugs[1:] and "1 kernel(s) deleted, 2 kept" in swept.out
    again = invoke(project, *SWEEP, "--json")
    assert (again.code, set(kept(again).values())) == (0, {"one of the newest 2"})
    assert len(project.kaggle.journal.of(DELETE)) == 1
    assert invoke(project, "campaign", "tick", "packed.yaml", "--recover-missing", "--json").json["complete"]


def test_a_shared_kernel_stays_while_one_training_needs_it(project: KaggleProject) -> None:
    slugs, file = left(project), project.root / "packed.yaml"
    file.write_text(CAMPAIGN.replace("seeds: 2", "seeds: 1"), "utf-8")  # the other line was removed
    answer = invoke(project, *SWEEP, "--json")
    assert answer.code == 0 and kept(answer)[slugs[0]] == "1 of its 2 trainings are not finished here"
    file.write_text(CAMPAIGN, "utf-8")
    for folder in results_of(project, slugs[0]):
        aside = shutil.move(folder, project.root / "aside")
        answer = invoke(project, *SWEEP, "--dry-run", "--json")
        assert answer.code == 0 and "not verified here" in kept(answer)[slugs[0]]
        shutil.move(aside, folder)
    assert left(project) == slugs


def test_an_interrupted_sweep_of_a_shared_kernel_is_completed(project: KaggleProject) -> None:
    """The kernel is gone, and the ledger knows it of one training only."""
    first = left(project)[0]
    with project.opened() as (_, context):
        records = [one for one in context.ledger.sessions() if first in str(one.handle)]
        context.record(EventKind.SESSION_SWEPT, records[0].run_id, records[0].key)
    del project.kaggle.kernels.all[USER, first]
    assert invoke(project, *SWEEP).code == 0
    with project.opened() as (_, context):
        again = [one.swept for one in context.ledger.sessions() if first in str(one.handle)]
    assert (len(records), again) == (2, [True, True])
    assert not project.kaggle.journal.of(DELETE)


def results_of(project: KaggleProject, kernel: str) -> list[Path]:
    """Results folders of the sessions in a kernel."""
    with project.opened() as (_, context):
        return [
            context.results.folder(USER, one.slug) for one in context.ledger.sessions() if kernel in str(one.handle)
        ]
