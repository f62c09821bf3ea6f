"""A campaign whose trainings share kernels, through the real command line: local, and on the loopback Kaggle."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.test_campaign import checkpoint_bytes, delete_ledger
from tests.doubles.commands import Answer, orchestrate
from tests.doubles.kaggle_side import KEY, USER, far_settings, loopback_variables
from tests.doubles.toy_section import make_toy_project
from tests.emulator.loopback import LoopbackKaggle, loopback_kaggle

CAMPAIGN = """
campaign: packed
concurrency: 1
pack: 4
retries: {stuck: 2}
assume: {steps_per_s: 100, start_s: 1, save_s: 1}
trials:
  main: {section: section_7_6, profile: quick, seeds: 3}
"""
PAUSE_ONCE = '{"1": {"do": "pause"}}'


def _project(root: Path, text: str = CAMPAIGN) -> Path:
    make_toy_project(root, PAUSE_ONCE)
    (root / "configs/campaigns").mkdir(parents=True)
    (root / "configs/campaigns/packed.yaml").write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, bytes]:
    """Checkpoints of the same campaign with every training in its own kernel."""
    root = _project(tmp_path / "alone", CAMPAIGN.replace("pack: 4", "pack: 1"))
    assert orchestrate(root, "campaign", "run", "packed", "--every-s", "0.1").code == 0
    return checkpoint_bytes(root)


def test_a_packed_campaign_leaves_the_same_checkpoints(tmp_path: Path, alone: dict[str, bytes]) -> None:
    root = _project(tmp_path / "packed")
    answer = orchestrate(root, "campaign", "run", "packed", "--every-s", "0.1", "--json")
    assert answer.code == 0 and answer.json["complete"], answer.err
    assert checkpoint_bytes(root) == alone != {}
    kernels = sorted(path.parent.name for path in (root / ".orchestrator/local").glob("*/submitted.json"))
    assert [name[-6:] for name in kernels] == ["-s01-p", "-s02-p"]
    results = sorted(path.name for path in (root / "validation_output/results").glob("local_*"))
    assert len(results) == 6 and not any(name.endswith("-p") for name in results)  # each session has its own folder

    # The local backend remembers what was never fetched; what was fetched is found in the results.
    delete_ledger(root)
    again = orchestrate(root, "campaign", "run", "packed", "--every-s", "0.1", "--json")
    assert again.code == 0, again.err
    assert checkpoint_bytes(root) == alone
    assert len(list((root / ".orchestrator/local").glob("*/submitted.json"))) == 2


SUMS = """
import os
import numpy as np
import orchestrator

with orchestrator.session() as run:
    for _ in run.steps():
        pass
    values = np.random.default_rng(0).standard_normal(1_000_000)
    print("sum", float(values @ values[::-1].copy()).hex(), os.environ["OMP_NUM_THREADS"])
"""


def test_a_training_sums_alone_as_in_a_pack(tmp_path: Path) -> None:
    """BLAS rounds a sum by its number of threads: the third training has its kernel alone, and may later share one."""
    root = _project(tmp_path, CAMPAIGN.replace("pack: 4", "pack: 2").replace("section_7_6", "sums"))
    (root / "sums.py").write_text(SUMS, encoding="utf-8")
    sizes = "{quick: {target_steps: 2, deadline_s: 60}, full: {target_steps: 2}}"
    (root / "configs/sections/sums.yaml").write_text(f"section: sums\nscript: sums.py\nprofiles: {sizes}\n")
    answer = orchestrate(root, "campaign", "run", "packed", "--every-s", "0.1", "--json", OMP_NUM_THREADS="2")
    assert answer.code == 0 and answer.json["complete"], answer.err
    assert len(list((root / ".orchestrator/local").glob("*/submitted.json"))) == 2
    logs = [one.read_text(encoding="utf-8") for one in root.glob("validation_output/results/*/kernel.log")]
    sums = [line for log in logs for line in log.splitlines() if line.startswith("sum ")]
    assert len(sums) == 3 and len(set(sums)) == 1 and sums[0].endswith(" 1"), sums


@pytest.fixture
def kaggle(tmp_path: Path) -> Iterator[LoopbackKaggle]:
    with loopback_kaggle(tmp_path / "kaggle", settings=far_settings()) as service:
        service.accounts.add(USER, key=KEY)
        yield service


def _tick(root: Path, home: Path) -> Answer:
    variables: dict[str, Any] = {**loopback_variables(), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    return orchestrate(root, "campaign", "tick", "packed", "--backend", "kaggle", "--json", "--recover", **variables)


@pytest.mark.prove
def test_empty_working_copies_find_every_session_of_every_pack(
    tmp_path: Path, kaggle: LoopbackKaggle, alone: dict[str, bytes]
) -> None:
    """Each tick runs in a fresh copy without ledger, results and checkpoints."""
    template = _project(tmp_path / "template")
    for number in range(4):
        copy = shutil.copytree(template, tmp_path / f"copy{number}")
        answer = _tick(copy, tmp_path)
        assert answer.code == 0, answer.err
        for kernel in list(kaggle.kernels.all.values()):
            assert kernel.ended.wait(120)
        if answer.json["over"]:
            break
    assert answer.json["complete"], answer.json
    assert checkpoint_bytes(copy) == alone
    pushes = [entry.request["slug"].rpartition("/")[2] for entry in kaggle.journal.of("SaveKernel")]
    assert [name[-6:] for name in pushes] == ["-s01-p", "-s02-p"]
