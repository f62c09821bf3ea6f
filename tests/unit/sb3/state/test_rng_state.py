import random
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from orchestrator.sb3.state import rng_state
from orchestrator.sb3.state.npz_tree import read_state, write_state

SPACE = gymnasium.spaces.Dict(
    {"phase": gymnasium.spaces.Discrete(5), "rest": gymnasium.spaces.Tuple([gymnasium.spaces.Discrete(7)])}
)
GENERATOR = np.random.default_rng(3)

SOURCES = {
    "python": (rng_state.capture_python, rng_state.restore_python, lambda: [random.gauss(0, 1) for _ in range(9)]),
    "numpy": (rng_state.capture_numpy, rng_state.restore_numpy, lambda: np.random.normal(size=9).tolist()),
    "torch": (rng_state.capture_torch, rng_state.restore_torch, lambda: torch.randn(9).tolist()),
    "generator": (
        lambda: rng_state.capture_generator(GENERATOR),
        lambda state: rng_state.restore_generator(GENERATOR, state),
        lambda: GENERATOR.integers(0, 10, 9, dtype=np.int32).tolist(),
    ),
    "space": (
        lambda: rng_state.capture_space(SPACE),
        lambda state: rng_state.restore_space(SPACE, state),
        lambda: [str(SPACE.sample()) for _ in range(9)],
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_restored_generator_draws_the_same_numbers(name: str, tmp_path: Path) -> None:
    capture, restore, draw = SOURCES[name]
    draw()  # an odd count leaves a spare gaussian or half a word in the generator, which is state too
    write_state(tmp_path / "rng.npz", {"state": capture()})
    first = draw()
    assert draw() != first
    state = read_state(tmp_path / "rng.npz")["state"]
    for _ in range(2):
        restore(state)
        assert draw() == first


def test_a_state_of_another_kind_of_generator_is_refused() -> None:
    state = rng_state.capture_generator(np.random.Generator(np.random.MT19937(0)))
    with pytest.raises(ValueError, match="state must be for a PCG64"):
        rng_state.restore_generator(np.random.default_rng(0), state)


def test_the_state_of_another_space_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        rng_state.restore_space(SPACE, rng_state.capture_space(gymnasium.spaces.Discrete(2)))


def draw_from_all() -> list[Any]:
    return [random.random(), float(np.random.rand()), float(torch.rand(1))]


def test_draws_inside_the_context_do_not_change_the_generators_even_after_an_error() -> None:
    with rng_state.untouched_generators():
        inside = draw_from_all()
    with pytest.raises(RuntimeError), rng_state.untouched_generators():
        draw_from_all()
        raise RuntimeError
    assert draw_from_all() == inside


class TwoDevices:
    """A fake `torch.cuda` with one generator per given state."""

    def __init__(self, *states: int) -> None:
        self.states = [torch.full((16,), state, dtype=torch.uint8) for state in states]

    def is_available(self) -> bool:
        return bool(self.states)

    def device_count(self) -> int:
        return len(self.states)

    def get_rng_state_all(self) -> list[torch.Tensor]:
        return self.states

    def set_rng_state(self, new_state: torch.Tensor, device: int) -> None:
        self.states[device] = new_state


def test_the_generators_of_cuda_devices_are_part_of_the_state(tmp_path: Path) -> None:
    devices = TwoDevices(3, 200)
    write_state(tmp_path / "rng.npz", {"state": rng_state.capture_torch(devices)})
    state = read_state(tmp_path / "rng.npz")["state"]
    for count in (2, 1, 0):  # devices of this machine
        other = TwoDevices(*([9] * count))
        rng_state.restore_torch(state, other)
        assert [int(kept[0]) for kept in other.states] == [3, 200][:count]
    rng_state.restore_torch(rng_state.capture_torch(TwoDevices()), devices)  # saved on a machine without a device
    assert [int(kept[0]) for kept in devices.states] == [3, 200]
