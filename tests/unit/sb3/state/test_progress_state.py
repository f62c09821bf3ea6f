"""The newest observation keeps its order in memory, by which a convolution rounds."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from orchestrator.sb3.state.progress_state import capture_last, restore_last


def as_images(shape: tuple[int, ...]) -> Any:
    """Images with channels first, as the library shows those that an environment gives with channels last."""
    rng = np.random.default_rng(5)
    return rng.integers(0, 255, shape, np.uint8).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("shape", [(2, 6, 6, 3), (2, 6, 6, 1), (1, 6, 6, 1), (1, 1, 6, 2)])
def test_the_strides_of_images_are_restored(shape: tuple[int, ...]) -> None:
    model: Any = SimpleNamespace(
        _last_obs={"image": as_images(shape), "place": np.ones((2, 3))}, _last_episode_starts=0
    )
    resumed: Any = SimpleNamespace()
    restore_last(resumed, capture_last(model))
    for name, value in model._last_obs.items():
        found = resumed._last_obs[name]
        assert found is not value and found.strides == value.strides and np.array_equal(found, value)


def test_an_image_in_the_usual_order_has_no_layout() -> None:
    model: Any = SimpleNamespace(_last_obs=np.zeros((2, 1, 6, 6)), _last_episode_starts=0)
    assert "layouts" not in capture_last(model)
