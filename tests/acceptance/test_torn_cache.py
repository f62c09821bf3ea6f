"""A scheduled job whose cache came back torn: it recovers, or refuses with the reason; it never trains from step 0."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles.commands import Answer, orchestrate
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables
from tests.doubles.toy_section import make_toy_project
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

CAMPAIGN = """
campaign: single
assume: {steps_per_s: 100, start_s: 1, save_s: 1}
trials:
  main: {section: section_7_6, profile: quick}
"""
DATA = Path("validation_ch7/section_7_6_rl_performance/data")
LEDGER, RESULTS = Path(".orchestrator/ledger.sqlite"), Path("validation_output/results")
HALF_WAY = ("run", "section_7_6", "--quick", "--target-steps", "20")
"""Two sessions, to 10 and to 20 steps; the campaign needs a third one to come to its 40."""


class Project:
    """A toy project on one backend."""

    def __init__(self, root: Path, kaggle: LoopbackKaggle | None = None) -> None:
        self.root, self.kaggle = make_toy_project(root, '{"1": {"do": "pause"}}'), kaggle
        (root / "configs/campaigns").mkdir(parents=True)
        (root / "configs/campaigns/single.yaml").write_text(CAMPAIGN, encoding="utf-8")
        self.backend = "kaggle" if kaggle else "local"

    def do(self, *words: str) -> Answer:
        variables = {"HOME": str(self.root.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        variables |= loopback_variables() if self.kaggle else {}
        return orchestrate(self.root, *words, "--backend", self.backend, "--json", **variables)

    def lose(self, *parts: Path) -> None:
        for part in parts:
            path = self.root / part
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    @property
    def sessions(self) -> int:
        """Sessions that were ever started."""
        if self.kaggle is not None:
            return len(self.kaggle.journal.of("SaveKernel"))
        return len(list((self.root / ".orchestrator/local").glob("*/submitted.json")))

    def models(self) -> dict[str, bytes]:
        """The models in place; their cards bear the sessions that wrote them."""
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
    calm = Project(tmp_path_factory.mktemp("calm") / "toy")
    assert calm.do(*HALF_WAY).code == 0
    assert calm.do("campaign", "run", "single", "--every-s", "0.1").json["complete"]
    return calm.models()


@pytest.mark.parametrize(
    "lost",
    [(DATA,), (DATA, RESULTS), (DATA, RESULTS, LEDGER), (DATA / "models/checkpoints",)],
    ids=lambda lost: "+".join(part.name for part in lost),
)
def test_a_torn_cache_ends_at_the_same_bytes(
    project: Project, undisturbed: dict[str, bytes], lost: tuple[Path, ...]
) -> None:
    assert project.do(*HALF_WAY).code == 0
    project.lose(*lost)
    ended = project.do("campaign", "run", "single", "--every-s", "0.1")
    assert ended.code == 0 and ended.json["complete"], ended.err
    assert project.sessions == 3 and project.models() == undisturbed
    (last,) = (project.root / RESULTS).glob("*-s03/session_manifest.json")
    assert json.loads(last.read_text(encoding="utf-8"))["steps_start"] == 20


@pytest.mark.parametrize("manifests_too", [False, True])
def test_results_alone_are_enough(tmp_path: Path, undisturbed: dict[str, bytes], manifests_too: bool) -> None:
    """Without ledger and sandboxes the results themselves say who wrote them; a killed session's by its cards alone."""
    alone = Project(tmp_path / "toy")
    assert alone.do(*HALF_WAY).code == 0
    alone.lose(DATA, Path(".orchestrator"))
    if manifests_too:
        for path in (alone.root / RESULTS).glob("*/session_manifest.json"):
            path.unlink()
    ended = alone.do("campaign", "run", "single", "--every-s", "0.1")
    assert ended.code == 0 and ended.json["complete"], ended.err
    (last,) = (alone.root / RESULTS).glob("*-s03/session_manifest.json")
    assert json.loads(last.read_text(encoding="utf-8"))["steps_start"] == 20 and alone.models() == undisturbed


def test_a_ledger_of_which_nothing_is_left_is_refused_and_status_says_why(tmp_path: Path) -> None:
    alone = Project(tmp_path / "toy")
    assert alone.do(*HALF_WAY).code == 0
    alone.lose(DATA, RESULTS, Path(".orchestrator/local"))
    refused = alone.do("campaign", "tick", "single")
    assert refused.code == 1 and refused.json["states"] == {"failed": 1}
    assert "from step 0" in refused.err and "Copy its checkpoints" in refused.err and "--fresh" in refused.err
    assert not list((alone.root / ".orchestrator/local").glob("*"))
    told = orchestrate(alone.root, "campaign", "status", "single").out
    assert "waiting (refused by the last tick: " in told and "from step 0" in told
    command = refused.err.partition("`python -m orchestrator ")[2].partition("`")[0]
    assert alone.root.name in refused.err and command.endswith("--seed 0 --fresh") and command in told
    again = orchestrate(alone.root, *command.split(), "--target-steps", "20", "--json")
    assert (again.code, again.json["steps_start"]) == (0, 0)
    assert alone.do("campaign", "run", "single", "--every-s", "0.1").json["complete"]
    assert "refused by" not in orchestrate(alone.root, "campaign", "status", "single").out


def test_run_reads_an_empty_directory_as_a_fresh_start_and_an_absent_one_as_a_loss(tmp_path: Path) -> None:
    mine = Project(tmp_path / "toy")
    assert mine.do(*HALF_WAY).code == 0
    mine.lose(DATA / "models")
    shown = mine.do("run", "section_7_6", "--quick", "--dry-run")
    assert shown.code == 2 and "up to 20 steps" in shown.json["error"] and not (mine.root / DATA / "models").exists()
    again = mine.do("run", "section_7_6", "--quick")
    assert (again.code, again.json["steps_start"], again.json["steps_done"]) == (0, 20, 40)
    for path in (mine.root / DATA / "models/checkpoints").iterdir():  # as the users' guide has it
        path.unlink()
    assert mine.do("run", "section_7_6", "--quick").json["steps_start"] == 0
    mine.lose(DATA / "models/checkpoints")
    assert mine.do("run", "section_7_6", "--quick").json["steps_start"] == 0


@pytest.mark.parametrize("bytes_kept", [0, 100, 4096, 20000])
def test_a_damaged_ledger_is_refused_with_its_remedy(tmp_path: Path, bytes_kept: int) -> None:
    mine = Project(tmp_path / "toy")
    assert mine.do(*HALF_WAY).code == 0
    path = mine.root / LEDGER
    whole = path.read_bytes()
    path.write_bytes(whole[:bytes_kept] + b"damaged " * 4000)
    answer = mine.do("campaign", "tick", "single")
    assert answer.code == 2 and "is not a readable ledger" in answer.json["error"], answer.err
    assert "Move that file away" in answer.json["remedy"] and mine.sessions == 2


def test_what_is_missing_of_a_finished_campaign_comes_back_when_it_is_asked_for(
    project: Project, undisturbed: dict[str, bytes]
) -> None:
    assert project.do(*HALF_WAY).code == 0
    assert project.do("campaign", "run", "single", "--every-s", "0.1").json["complete"]
    project.lose(RESULTS)
    quiet = project.do("campaign", "tick", "single", "--recover-missing")
    assert quiet.code == 0 and quiet.json["complete"] and "Fetched the results of" in quiet.err
    assert len(list((project.root / RESULTS).iterdir())) == 3
    project.lose(DATA, RESULTS, LEDGER)
    taken = project.do("campaign", "tick", "single", "--recover-missing")
    assert "Recovered 3 session(s) from the backend" in taken.err and taken.json["complete"], taken.err
    project.lose(DATA)
    put_back = project.do("campaign", "recover", "single")
    assert put_back.code == 0 and "Put the checkpoint of 40 steps back" in put_back.err, put_back.err
    assert project.models().keys() == undisturbed.keys(), put_back.err
    assert project.models() == undisturbed
    assert project.sessions == 3
