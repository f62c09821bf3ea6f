"""The measures of one controller in every hour of one condition."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from validation_ch7.section_7_6_rl_performance.evaluation.evaluation import EvaluationResult
from validation_ch7.traffic.model.arz import Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hours:
    """All arrays have one number for each hour, in the order of the test scenarios.

    Attributes:
        arrived_veh: Vehicles that arrived; equal for all controllers of a condition.
        delay_s_per_veh: Delay per arrived vehicle, s; true, whatever the detectors show.
        worst_approach_s_per_veh: Delay up to the stop line per vehicle of the approach with the largest, s.
        throughput: Vehicles that left, divided by vehicles that arrived.
        n_switches: Phase changes.
        n_forced_switches: Phase changes forced by the maximum green.
    """

    arrived_veh: Floats
    delay_s_per_veh: Floats
    worst_approach_s_per_veh: Floats
    throughput: Floats
    n_switches: Floats
    n_forced_switches: Floats

    @property
    def n_hours(self) -> int:
        """Number of hours."""
        return len(self.delay_s_per_veh)

    def to_array(self) -> Floats:
        """Shape (measures, hours)."""
        return np.stack([getattr(self, name) for name in MEASURES])

    @classmethod
    def from_array(cls, array: Floats) -> Hours:
        """The inverse of `to_array`."""
        return cls(**dict(zip(MEASURES, array, strict=True)))

    @classmethod
    def of(cls, result: EvaluationResult) -> Hours:
        """The measures of an evaluation."""
        return cls(**{name: np.asarray(getattr(result, name), dtype=np.float64) for name in MEASURES})


MEASURES = tuple(field.name for field in fields(Hours))
