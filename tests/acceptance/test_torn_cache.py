"""A scheduled job with an incomplete cache recovers, or refuses with the reason; it never trains from step 0."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.commands import Answer, orchestrate
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables
from tests.doubles.toy_section import make_toy_project
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle
from tests.marks import first_cases

CAMPAIGN = """
campaign: single
assume: {steps_per_s: 100, start_s: 1, save_s: 1}
trials:
  main: {section: section_7_6, profile: quick}
"""
DATA = Path("validation_ch7/section_7_6_rl_performance/data")
LEDGER, RESULTS = Path(".orchestrator/ledger.sqlite"), Path("validation_output/results")
HALF_WAY = ("run", "section_7_6", "--quick", "--target-steps", "20")
"""Two sessions, to 10 and to 20 steps; the campaign needs a third one to reach its 40 steps."""


class Project:
    """A toy project on one backend."""

    def __init__(self, root: Path, kaggle: LoopbackKaggle | None = None) -> None:
        self.root, self.kaggle = make_toy_project(root, '{"1": {"do": "pause"}}'), kaggle
        (root / "configs/campaigns").mkdir(parents=True)
        (root / "configs/campaigns/single.yaml").write_text(CAMPAIGN, encoding="utf-8")
        self.backend = "kaggle" if kaggle else "local"

    def run(self, *words: str) -> Answer:
        variables = {"HOME": str(self.root.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        variables |= loopback_variables() if self.kaggle else {}
        return orchestrate(self.root, *words, "--backend", self.backend, "--json", **variables)

    def delete(self, *parts: Path) -> None:
        for part in parts:
            path = self.root / part
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    @property
    def sessions(self) -> int:
        """Number of sessions started so far."""
        if self.kaggle is not None:
            return len(self.kaggle.journal.of("SaveKernel"))
        return len(list((self.root / ".orchestrator/local").glob("*/submitted.json")))

    def models(self) -> dict[str, bytes]:
        """Bytes of the models in place, without the cards, which name their sessions."""
        files = (path for path in (self.root / DATA / "models").rglob("*") if path.suffix in (".zip", ".npz"))
        return {path.name: path.read_bytes() for path in files}


@pytest.fixture(params=["local", "kaggle"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Project]:
    if request.param == "local":
        yield Project(tmp_path / "toy")
        return
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as service:
        service.accounts.add(USER, key=KEY)
        yield Project(tmp_path / "toy", service)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    reference = Project(tmp_path_factory.mktemp("reference") / "toy")
    assert reference.run(*HALF_WAY).code == 0
    assert reference.run("campaign", "run", "single", "--every-s", "0.1").json["complete"]
    return reference.models()


@pytest.mark.parametrize(
    "lost",
    first_cases(
        2,
        [
            pytest.param((DATA, RESULTS, LEDGER), id="all"),
            pytest.param((DATA / "models/checkpoints",), id="checkpoints"),
            pytest.param((DATA,), id="models directory"),
            pytest.param((DATA, RESULTS), id="models directory and results"),
        ],
    ),
)
def test_campaign_with_an_incomplete_cache_ends_with_the_same_bytes(
    project: Project, undisturbed: dict[str, bytes], lost: tuple[Path, ...]
) -> None:
    assert project.run(*HALF_WAY).code == 0
    project.delete(*lost)
    ended = project.run("campaign", "run", "single", "--every-s", "0.1")
    assert ended.code == 0 and ended.json["complete"], ended.err
    assert project.sessions == 3 and project.models() == undisturbed
    (last,) = (project.root / RESULTS).glob("*-s03/session_manifest.json")
    assert json.loads(last.read_text(encoding="utf-8"))["steps_start"] == 20


@pytest.mark.parametrize("manifests_too", [False, True])
def test_campaign_recovers_from_the_results_folder_alone(
    tmp_path: Path, undisturbed: dict[str, bytes], manifests_too: bool
) -> None:
    """Results name their session in the manifest or, after a kill, in the checkpoint cards."""
    project = Project(tmp_path / "toy")
    assert project.run(*HALF_WAY).code == 0
    project.delete(DATA, Path(".orchestrator"))
    if manifests_too:
        for path in (project.root / RESULTS).glob("*/session_manifest.json"):
            path.unlink()
    ended = project.run("campaign", "run", "single", "--every-s", "0.1")
    assert ended.code == 0 and ended.json["complete"], ended.err
    (last,) = (project.root / RESULTS).glob("*-s03/session_manifest.json")
    assert json.loads(last.read_text(encoding="utf-8"))["steps_start"] == 20 and project.models() == undisturbed


def test_ledger_without_any_checkpoint_is_refused_and_status_says_why(tmp_path: Path) -> None:
    project = Project(tmp_path / "toy")
    assert project.run(*HALF_WAY).code == 0
    project.delete(DATA, RESULTS, Path(".orchestrator/local"))
    refused = project.run("campaign", "tick", "single")
    assert refused.code == 1 and refused.json["states"] == {"failed": 1}
    assert "from step 0" in refused.err and "Copy its checkpoints" in refused.err and "--fresh" in refused.err
    assert not list((project.root / ".orchestrator/local").glob("*"))
    status = orchestrate(project.root, "campaign", "status", "single").out
    assert "waiting (refused by the last tick: " in status and "from step 0" in status
    command = re.findall(r"`python -m orchestrator ([^`]+)`", refused.err)[-1]
    assert project.root.name in refused.err and command.endswith("--seed 0 --fresh") and command in status
    again = orchestrate(project.root, *command.split(), "--target-steps", "20", "--json")
    assert (again.code, again.json["steps_start"]) == (0, 0)
    assert project.run("campaign", "run", "single", "--every-s", "0.1").json["complete"]
    assert "refused by" not in orchestrate(project.root, "campaign", "status", "single").out


def test_run_treats_empty_checkpoints_as_fresh_start_and_absent_models_as_loss(tmp_path: Path) -> None:
    project = Project(tmp_path / "toy")
    assert project.run(*HALF_WAY).code == 0
    project.delete(DATA / "models")
    shown = project.run("run", "section_7_6", "--quick", "--dry-run")
    assert shown.code == 2 and "up to 20 steps" in shown.json["error"] and not (project.root / DATA / "models").exists()
    again = project.run("run", "section_7_6", "--quick")
    assert (again.code, again.json["steps_start"], again.json["steps_done"]) == (0, 20, 40)
    for path in (project.root / DATA / "models/checkpoints").iterdir():  # as the users' guide describes
        path.unlink()
    assert project.run("run", "section_7_6", "--quick").json["steps_start"] == 0
    project.delete(DATA / "models/checkpoints")
    assert project.run("run", "section_7_6", "--quick").json["steps_start"] == 0


@pytest.mark.parametrize("bytes_kept", first_cases(2, [0, 4096, 100, 20000]))
def test_damaged_ledger_is_refused_with_a_remedy(tmp_path: Path, bytes_kept: int) -> None:
    project = Project(tmp_path / "toy")
    assert project.run(*HALF_WAY).code == 0
    path = project.root / LEDGER
    original = path.read_bytes()
    path.write_bytes(original[:bytes_kept] + b"damaged " * 4000)
    answer = project.run("campaign", "tick", "single")
    assert answer.code == 2 and "is not a readable ledger" in answer.json["error"], answer.err
    assert "Move that file away" in answer.json["remedy"] and project.sessions == 2


def test_finished_campaign_restores_missing_parts_on_request(project: Project, undisturbed: dict[str, bytes]) -> None:
    assert project.run(*HALF_WAY).code == 0
    assert project.run("campaign", "run", "single", "--every-s", "0.1").json["complete"]
    project.delete(RESULTS)
    refetched = project.run("campaign", "tick", "single", "--recover-missing")
    assert refetched.code == 0 and refetched.json["complete"] and "Fetched the results of" in refetched.err
    assert len(list((project.root / RESULTS).iterdir())) == 3
    project.delete(DATA, RESULTS, LEDGER)
    recovered = project.run("campaign", "tick", "single", "--recover-missing")
    assert "Recovered 3 session(s) from the backend" in recovered.err and recovered.json["complete"], recovered.err
    project.delete(DATA)
    restored = project.run("campaign", "recover", "single")
    assert restored.code == 0 and "Put the checkpoint of 40 steps back" in restored.err, restored.err
    assert project.models().keys() == undisturbed.keys(), restored.err
    assert project.models() == undisturbed
    assert project.sessions == 3
