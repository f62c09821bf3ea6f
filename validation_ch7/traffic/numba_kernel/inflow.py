"""What has arrived lately."""

from __future__ import annotations

import numpy as np

from validation_ch7.traffic.numba_kernel.compile import Floats, compiled
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES


@compiled
def mean_of_last_bins(by_bin: Floats, end_step: int, n_steps: int, steps_per_bin: int, crossings: int) -> Floats:
    """Mean over the `n_steps` steps before `end_step`, or over all of them if there are fewer.

    Args:
        by_bin: A value of each step, by bin, shape (bins, blocks, 4 * L). Later bins are never read.
        end_step: Number of steps done.
        n_steps: Steps of the mean.
        steps_per_bin: Steps in one bin.
        crossings: Size of the batch.

    Returns:
        Shape (4, batch); zeros at the start, when there is no step yet.
    """
    width = by_bin.shape[2] // N_APPROACHES
    mean = np.zeros((N_APPROACHES, crossings))
    first_step = max(0, end_step - n_steps)
    row = first_step // steps_per_bin
    while row * steps_per_bin < end_step:
        share = (min(end_step, (row + 1) * steps_per_bin) - max(first_step, row * steps_per_bin)) / (
            end_step - first_step
        )
        for approach in range(N_APPROACHES):
            for number in range(crossings):
                mean[approach, number] += share * by_bin[row, number // width, approach * width + number % width]
        row += 1
    return mean
