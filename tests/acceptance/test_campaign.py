"""Campaigns through the real command line, local and on the loopback Kaggle, with kills and empty copies."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.reporting.results_table import HISTORY
from orchestrator.kernel.reporting.trial_report import read_account
from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import Answer, environment, orchestrate
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables
from tests.doubles.toy_section import make_toy_project, set_behaviour
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

LONG = bool(os.environ.get("PROVE_CAMPAIGN"))
KILLS, COPIES = (20, 50) if LONG else (4, 4)
PAUSES = '{"1": {"do": "pause"}, "2": {"do": "pause"}}'


def project(root: Path) -> Path:
    """A toy project with the shipped smoke campaign; each training takes three sessions."""
    make_toy_project(root, PAUSES)
    shutil.copytree(PROJECT_ROOT / "configs/campaigns", root / "configs/campaigns")
    return root


def shrink(root: Path) -> None:
    """Reduce the smoke campaign to its first group, with one seed."""
    path = root / "configs/campaigns/smoke.yaml"
    text = path.read_text(encoding="utf-8").partition("  decisions:")[0]
    path.write_text(text.replace("seeds: 2", "seeds: 1"), encoding="utf-8")


def table(root: Path, *words: str, **variables: str) -> list[dict[str, str]]:
    """Rows of the results table without the columns in `HISTORY`."""
    answer = orchestrate(root, "campaign", "results", "smoke", *words, **variables)
    assert answer.code == 0, answer.err
    rows = csv.DictReader(io.StringIO(answer.out))
    return [{name: value for name, value in row.items() if name not in HISTORY} for row in rows]


def sessions_of(root: Path) -> Counter[str]:
    """Number of submitted sandboxes of the local backend, by lineage."""
    submitted = (root / ".orchestrator/local").glob("*/submitted.json")
    return Counter(path.parent.name.rsplit("-", 2)[1] for path in submitted)


def test_campaign_killed_repeatedly_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    reference, killed = project(tmp_path / "reference"), project(tmp_path / "killed")
    for root in (reference, killed):
        if not LONG:
            shrink(root)
    reference_answer = orchestrate(reference, "campaign", "run", "smoke", "--every-s", "0.2", "--json")
    assert reference_answer.code == 0 and reference_answer.json["complete"], reference_answer.err

    rng, words = random.Random(7), ["-m", "orchestrator", "campaign", "run", "smoke", "--every-s", "0.2", "--json"]
    for _ in range(KILLS):
        victim = subprocess.Popen(
            [sys.executable, *words], env=environment(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(rng.uniform(0.6, 2.0))  # the kill hits at a random real time
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    answer = orchestrate(killed, *words[2:])
    assert answer.code == 0 and answer.json["complete"], answer.err

    planned = {row["lineage"] for row in reference_answer.json["trials"]}
    assert set(sessions_of(killed)) == planned
    assert sessions_of(killed) == sessions_of(reference)  # three sessions each, in spite of the kills
    assert table(killed) == table(reference) and len(table(reference)) == len(planned)


def test_campaign_report_covers_the_finished_trials(tmp_path: Path) -> None:
    root = project(tmp_path / "toy")
    shrink(root)
    set_behaviour(root, "{}")
    assert orchestrate(root, "campaign", "run", "smoke", "--every-s", "0.2").code == 0
    answer = orchestrate(root, "campaign", "report", "smoke")
    folder = root / "validation_output/campaigns/smoke"
    assert answer.code == 0 and "section_7_6 has no report of its own: the general one is written" in answer.out, (
        answer.err
    )
    assert {path.name for path in folder.iterdir()} == {
        ".campaign_report",
        "report.html",
        "table.csv",
        "table.parquet",
        "section_7_6_trials.json",
        "trainings.csv",
    }
    assert "No statistics: no finished training reported a number in its summary" in answer.out
    account = read_account(json.loads((folder / "section_7_6_trials.json").read_text(encoding="utf-8")))
    assert [trial.variant for trial in account.trials] == ["main DQN", "main PPO"] and not account.unfinished
    for trial in account.trials:
        manifest = Path(trial.results_dir) / "session_manifest.json"
        assert hashlib.sha256(manifest.read_bytes()).hexdigest() == trial.manifest_sha256
    rows = list(csv.DictReader(io.StringIO((folder / "table.csv").read_text(encoding="utf-8"))))
    assert {row["manifest_sha256"] for row in rows} == {trial.manifest_sha256 for trial in account.trials}
    summary = orchestrate(root, "campaign", "status", "smoke", "--markdown")
    assert summary.code == 0 and "| main PPO seed 0 `" in summary.out

    (folder / "pool.md").write_text("an old one", encoding="utf-8")
    assert orchestrate(root, "campaign", "report", "smoke").code == 0 and not (folder / "pool.md").exists()
    foreign = orchestrate(root, "campaign", "report", "smoke", "--output", "configs")
    assert (
        foreign.code == 2
        and "holds files that no report wrote" in foreign.err
        and (root / "configs/campaigns").is_dir()
    )

    multi_seed = root / "validation_ch7/section_7_6_rl_performance/multi_seed"
    multi_seed.mkdir()
    (multi_seed / "__init__.py").write_text("", encoding="utf-8")
    (multi_seed / "__main__.py").write_text("raise SystemExit('Nothing pooled: on purpose')", encoding="utf-8")
    refused = orchestrate(root, "campaign", "report", "smoke")
    assert refused.code == 1 and "failed: Nothing pooled: on purpose" in refused.err


def test_plan_forecasts_and_writes_nothing(tmp_path: Path) -> None:
    root = project(tmp_path / "toy")
    before = sorted(path for path in root.rglob("*") if "__pycache__" not in path.parts)
    answer = orchestrate(root, "campaign", "plan", "smoke", "--json")
    assert answer.code == 0 and answer.json["trials"] == 5 and answer.json["sessions"] == 5
    assert answer.json["states"] == {"waiting": 4, "blocked": 1}
    assert "Expected end" in orchestrate(root, "campaign", "plan", "smoke").out
    kaggle_plan = orchestrate(root, "campaign", "plan", "chapter_7_6", HOME=str(tmp_path))
    assert kaggle_plan.code == 0 and "planned with the campaign's own 28 h a week" in kaggle_plan.out
    assert sorted(path for path in root.rglob("*") if "__pycache__" not in path.parts) == before


def test_second_tick_on_the_same_computer_exits_4(tmp_path: Path) -> None:
    root = project(tmp_path / "toy")
    code = (
        "import sys, datetime; from pathlib import Path; from orchestrator.stores.ledger.lease import SqliteLease; "
        "from orchestrator.stores.ledger.sqlite import SqliteLedger; root = Path(sys.argv[1]) / '.orchestrator'; "
        "now = lambda: datetime.datetime.now(datetime.UTC); ledger = SqliteLedger(root / 'ledger.sqlite'); "
        "lease = SqliteLease(ledger, root / 'campaigns.lock', now); print(lease.take(), flush=True); sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", code, str(root)],
        env=environment(root),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None and first.stdout.readline() == "True\n"
    answer = orchestrate(root, "campaign", "tick", "smoke", "--json")
    assert (answer.code, answer.json["error"]) == (4, "another `campaign tick` or `run` is running on this computer")
    assert not (root / ".orchestrator/local").exists()
    first.communicate()


def test_run_with_set_counts_as_the_campaigns_trial(tmp_path: Path) -> None:
    root = project(tmp_path / "toy")
    set_behaviour(root, "{}")
    words = ("--quick", "--algorithm", "PPO", "--set", "environment.decision_s=5.0", "--json")
    ran = orchestrate(root, "run", "section_7_6", *words)
    assert ran.code == 0, ran.err
    trials = orchestrate(root, "campaign", "status", "smoke", "--json").json["all_trials"]
    (trial,) = [row for row in trials if row["state"] == "done"]
    assert trial["trial"] == "decisions decision_s=5.0 seed 0" and ran.json["lineage_id"].startswith(trial["lineage"])
    refused = orchestrate(root, "run", "section_7_6", "--set", "environment.decison_s=5.0", "--json")
    assert refused.code == 2 and "Did you mean environment.decision_s?" in refused.json["remedy"]


SINGLE = """
campaign: single
assume: {steps_per_s: 100, start_s: 1, save_s: 1}
trials:
  main: {section: section_7_6, profile: quick}
"""


def single(root: Path) -> Path:
    """A toy project with a campaign of one training, which takes one session."""
    make_toy_project(root)
    (root / "configs/campaigns").mkdir(parents=True)
    (root / "configs/campaigns/single.yaml").write_text(SINGLE, encoding="utf-8")
    return root


def delete_ledger(root: Path) -> None:
    for path in (root / ".orchestrator").glob("ledger.sqlite*"):
        path.unlink()


def checkpoint_bytes(root: Path) -> dict[str, bytes]:
    """Bytes of every checkpoint in place, by path relative to the section."""
    section = root / "validation_ch7/section_7_6_rl_performance"
    return {
        path.relative_to(section).as_posix(): path.read_bytes()
        for path in section.rglob("models/checkpoints/*")
        if path.suffix in (".zip", ".npz")
    }


@pytest.mark.parametrize("results_too", [False, True])
def test_campaign_recovers_lost_checkpoints_instead_of_restarting(tmp_path: Path, results_too: bool) -> None:
    """Without ledger and checkpoints, the sandboxes are adopted and nothing is trained twice."""
    root = single(tmp_path / "toy")
    words = ("campaign", "run", "single", "--every-s", "0.1")
    assert orchestrate(root, *words).code == 0
    before = checkpoint_bytes(root)
    delete_ledger(root)
    shutil.rmtree(root / "validation_ch7/section_7_6_rl_performance/data")
    if results_too:
        shutil.rmtree(root / "validation_output")
    again = orchestrate(root, *words)
    assert again.code == 0, again.err
    assert list(sessions_of(root).values()) == [1] and checkpoint_bytes(root) == before


def test_unfetched_session_is_adopted_after_the_ledger_is_lost(tmp_path: Path) -> None:
    root = single(tmp_path / "toy")
    assert orchestrate(root, "campaign", "tick", "single").code == 0
    delete_ledger(root)
    ended = orchestrate(root, "campaign", "run", "single", "--every-s", "0.1")
    assert ended.code == 0 and "it is adopted" in ended.out + ended.err
    assert list(sessions_of(root).values()) == [1]


@pytest.fixture
def kaggle(tmp_path: Path) -> Iterator[LoopbackKaggle]:
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as service:
        service.accounts.add(USER, key=KEY)
        yield service


def tick(root: Path, home: Path, *words: str) -> Answer:
    variables: dict[str, Any] = {**loopback_variables(), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    return orchestrate(root, "campaign", "tick", "smoke", "--backend", "kaggle", "--json", *words, **variables)


def test_ticks_in_empty_working_copies_push_every_session_once(tmp_path: Path, kaggle: LoopbackKaggle) -> None:
    """As a scheduled job on ephemeral runners: every tick is a new process in a new, empty working copy."""
    template = project(tmp_path / "template")
    if not LONG:
        shrink(template)
        set_behaviour(template, '{"1": {"do": "pause"}}')
    planned = orchestrate(template, "campaign", "plan", "smoke", "--json").json["all_trials"]
    answer: Answer | None = None
    for number in range(COPIES):
        copy = shutil.copytree(template, tmp_path / f"copy-{number}")
        answer = tick(copy, tmp_path, "--recover")
        assert answer.code == 0, answer.err
        for kernel in list(kaggle.kernels.all.values()):
            assert kernel.ended.wait(120)
        if number and number < COPIES - 1:
            shutil.rmtree(copy)
    assert answer is not None and answer.json["complete"], json.dumps(answer.json, indent=1)
    pushes = Counter(entry.request["slug"] for entry in kaggle.journal.of("SaveKernel"))
    assert set(pushes.values()) == {1}
    lineages = Counter(slug.rsplit("-", 2)[1] for slug in pushes)
    assert lineages == {row["lineage"]: 3 if LONG else 2 for row in planned}


@pytest.mark.prove
def test_empty_copy_continues_after_the_first_kernels_were_deleted(tmp_path: Path, kaggle: LoopbackKaggle) -> None:
    """The user deleted kernels on the website, and the listing does not show the newest kernel yet."""
    template = project(tmp_path / "template")
    shrink(template)
    set_behaviour(template, '{"1": {"do": "pause"}}')

    def tick_and_wait(root: Path, *words: str) -> Answer:
        answer = tick(root, tmp_path, *words)
        assert answer.code == 0, answer.err
        for kernel in list(kaggle.kernels.all.values()):
            assert kernel.ended.wait(120)
        return answer

    first = shutil.copytree(template, tmp_path / "first")
    tick_and_wait(first)
    tick_and_wait(first)
    for place in [place for place in kaggle.kernels.all if place[1].endswith("-s01")]:
        del kaggle.kernels.all[place]
    kaggle.settings.listing_lag = 1
    second = shutil.copytree(template, tmp_path / "second")
    recovered = tick_and_wait(second, "--recover")
    assert "Recovered 2 session(s) from the backend" in recovered.err and recovered.json["complete"]
    pushes = [entry.request["slug"].rpartition("-")[2] for entry in kaggle.journal.of("SaveKernel")]
    assert sorted(pushes) == ["s01", "s01", "s02", "s02"]
    models = second / "validation_ch7/section_7_6_rl_performance"
    assert len(list(models.rglob("models/checkpoints/*_checkpoint_40_steps.zip"))) == 2


@pytest.mark.prove
def test_two_copies_with_separate_ledgers_share_one_campaign(tmp_path: Path, kaggle: LoopbackKaggle) -> None:
    """The copies learn of each other only by reading back the kernel names that both derive."""
    copies = [project(tmp_path / "one"), project(tmp_path / "two")]
    for root in copies:
        shrink(root)
        set_behaviour(root, "{}")
    messages: list[str] = []
    for _ in range(5):
        for root in copies:
            answer = tick(root, tmp_path)
            assert answer.code == 0, answer.err
            messages.append(answer.err)
            for kernel in list(kaggle.kernels.all.values()):
                assert kernel.ended.wait(120)
        if answer.json["complete"]:
            break
    assert orchestrate(copies[0], "campaign", "status", "smoke", "--json").json["states"] == {"done": 2}
    assert orchestrate(copies[1], "campaign", "status", "smoke", "--json").json["states"] == {"done": 2}
    assert any("it is adopted" in message for message in messages)
    pushes = Counter(entry.request["slug"] for entry in kaggle.journal.of("SaveKernel"))
    assert set(pushes.values()) == {1} and len(pushes) == 2
