"""Section 7.6 in sessions that its deadline cuts, the head killed meanwhile, equals the training of this computer."""

from __future__ import annotations

import shutil
import threading
import zipfile
from pathlib import Path

import pytest

from orchestrator.cli.main import main
from tests.conftest import PROJECT_ROOT
from tests.doubles.commands import orchestrate
from tests.doubles.toy_section import read_card_file, write_card
from tests.ray.head import LoopbackRay, wait_until
from tests.ray.projects import block, manifests

TARGET_STEPS, DEADLINE_S = 40_000, 70.0
MODELS = Path("validation_ch7/section_7_6_rl_performance/data/models")

pytestmark = [pytest.mark.prove, pytest.mark.timeout(1800)]


def _project(root: Path) -> Path:
    unwanted = shutil.ignore_patterns("__pycache__", "data", "trials")
    for name in ("configs", "validation_ch7"):
        shutil.copytree(PROJECT_ROOT / name, root / name, ignore=unwanted)
    card = read_card_file(root)
    card["profiles"]["quick"] |= {"target_steps": TARGET_STEPS, "evaluation_scenarios": 2}
    write_card(root, card)
    return root


def _policy(root: Path) -> bytes:
    with zipfile.ZipFile(root / MODELS / "traffic_light_control_final.zip") as archive:
        return archive.read("policy.pth")


def test_section_7_6_on_ray_equals_the_local_training(
    on_cluster: LoopbackRay, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.backends.ray.observation.SILENT_S", 10.0)
    card = read_card_file(_project(root))
    card["ray"] = block(on_cluster)
    card["profiles"]["quick"]["deadline_s"] = DEADLINE_S
    write_card(root, card)
    faults: list[BaseException] = []

    def second() -> list[str]:
        paths = on_cluster.storage.glob("*-s02/starts/*/index-*.json")
        return [text for path in paths if "_steps.zip" in (text := path.read_text())]

    def kill() -> None:
        try:
            wait_until(lambda: bool(second()), lambda: "no second session", 1200.0)
            on_cluster.kill()
            on_cluster.start()
        except BaseException as fault:
            faults.append(fault)

    killer = threading.Thread(target=kill)
    killer.start()
    code = main(["run", "section_7_6", "--quick", "--backend", "ray"])
    killer.join()
    assert not faults, faults
    assert code in (0, 1)  # the verdict about a training as short as this one
    near = _project(tmp_path / "local")
    answer = orchestrate(near, "run", "section_7_6", "--quick", "--json", timeout_s=1200.0)
    assert answer.code in (0, 1), answer.err
    ended = manifests(root)
    print([(one["stamp"]["session"], one["steps_start"], one["steps_done"], one["end_reason"]) for one in ended])
    assert [one["stamp"]["session"] for one in ended] == [1, *range(3, 2 + len(ended))]  # the second was killed
    assert len(ended) >= 2 and ended[-1]["steps_done"] == answer.json["steps_done"] == TARGET_STEPS
    assert [one["end_reason"] for one in ended] == ["paused"] * (len(ended) - 1) + ["finished"]
    assert ended[-1]["training"]["policy_digest_after"] == manifests(near)[-1]["training"]["policy_digest_after"]
    assert _policy(root) == _policy(near)
