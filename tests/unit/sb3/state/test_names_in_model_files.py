"""The names that `inspect` expects in a model file are exactly those in the files of all algorithms."""

import pickle
from pathlib import Path
from typing import Any

import pytest
from tiny_world import HYPER_PARAMETERS, TinyVecEnv, spec_of

from orchestrator.core.checkpoint.inspection import _EXPECTED_NAMES, strange_names
from orchestrator.core.checkpoint.pickle_scan import imported_names
from orchestrator.sb3.state.sb3_zip import write_model
from orchestrator.sb3.training.factory import build_model
from orchestrator.sb3.training.training_spec import TrainingSpec
from orchestrator.stores.checkpoint.sb3_zip import read_model_zip

NORMALIZE = {"normalize": {"observations": True, "rewards": True}}
NORMAL_NOISE = {"action_noise": {"kind": "normal", "sigma": 0.3}}
CHANGES: list[tuple[str, dict[str, Any]]] = [
    *((algorithm, {}) for algorithm in HYPER_PARAMETERS),
    *((algorithm, NORMALIZE) for algorithm in HYPER_PARAMETERS),
    ("TD3", NORMAL_NOISE),
    ("SAC", {"ent_coef": 0.1}),
]


def names_in_file_of(algorithm: str, changes: dict[str, Any], path: Path) -> set[str]:
    """Names in the file of a model that has made updates, so that its optimizers have state."""
    spec = spec_of(algorithm)
    plain = {name: value for name, value in HYPER_PARAMETERS[algorithm].items() if name != "normalize"}
    spec["lineage"]["hyper_parameters"] = {**plain, **changes}
    model = build_model(TrainingSpec.from_json(spec).lineage, TinyVecEnv(4, 7), device="cpu")
    model.learn(108)
    assert model._n_updates > 0
    write_model(model, path)
    found = read_model_zip(path)
    assert found.sealed == {}
    return {name for names in found.executes.values() for name in names}


def test_the_files_of_all_algorithms_have_exactly_the_expected_names(tmp_path: Path) -> None:
    found = [names_in_file_of(algorithm, changes, tmp_path / "model.zip") for algorithm, changes in CHANGES]
    assert set().union(*found) == _EXPECTED_NAMES


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("torch", "os.system"),
        ("torch", "load"),
        ("numpy.testing._private.utils", "runstring"),
        ("stable_baselines3.common", "utils.LinearSchedule"),  # the same class under a name that no pickler writes
        ("os", "system"),
    ],
)
def test_every_other_name_is_reported_also_of_the_libraries(module: str, name: str) -> None:
    parts = [pickle.dumps(text, protocol=4)[11:-1] for text in (module, name)]
    at_once = b"\x80\x04" + b"".join(parts) + b"\x93."
    in_line = f"c{module}\n{name}\n.".encode()
    for stream in (at_once, in_line):
        (found,) = names = imported_names(stream)
        assert found.replace(":", ".") == f"{module}.{name}"
        assert strange_names({"policy.pth": names}) == names
