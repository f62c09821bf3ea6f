"""`init --algorithm`: the script of each algorithm builds a model that can act."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import orchestrator
from orchestrator.core.errors import BadInput
from orchestrator.stores.scaffold.algorithms import LIBRARIES, default_environment, known_algorithm
from orchestrator.stores.scaffold.new_project import Wanted, compose


@pytest.mark.parametrize("algorithm", LIBRARIES)
def test_the_script_builds_the_algorithm(algorithm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []

    def sb3(build: Callable[[], Any]) -> Any:
        built.append(build())
        return SimpleNamespace(learn=lambda *_, **__: None)

    @contextmanager
    def session(**_: Any) -> Iterator[Any]:
        yield SimpleNamespace(sb3=sb3, seed=0, device="cpu", remaining=8, callback=None)

    monkeypatch.setattr(orchestrator, "session", session)
    project = compose(Wanted(folder=tmp_path, section="mine", env=default_environment(algorithm), algorithm=algorithm))
    script = project.files["train.py"]
    (tmp_path / "train.py").write_bytes(script)
    runpy.run_path(str(tmp_path / "train.py"))
    (model,) = built
    assert type(model).__name__ == algorithm
    assert model.predict(model.observation_space.sample())[0] in model.action_space
    assert max(len(line) for line in script.decode().splitlines()) <= 120


def test_names_are_found_in_any_case() -> None:
    assert [known_algorithm(name) for name in ("qr-dqn", "recurrent_ppo", "crossq")] == [
        *("QRDQN", "RecurrentPPO", "CrossQ"),
    ]
    with pytest.raises(BadInput, match="needs an environment that masks its actions"):
        known_algorithm("MaskablePPO")
    with pytest.raises(BadInput, match="there is no algorithm 'TRPPO'") as refused:
        known_algorithm("TRPPO")
    assert refused.value.remedy.startswith("Did you mean TRPO?")
