"""The forecast of a campaign: sessions, hours, quota of each week, and its end."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.core.campaign.session_slots import Slots
from orchestrator.core.scheduling.packs import Packing
from orchestrator.core.scheduling.quota import Allowance
from orchestrator.core.scheduling.simulation import Forecast, Simulation
from orchestrator.core.scheduling.workload import RemainingWork


def forecast(
    work: Sequence[RemainingWork],
    *,
    slots: Slots,
    allowance: Allowance | None = None,
    deadline_in_s: float | None = None,
    packing: Packing | None = None,
) -> Forecast:
    """Simulate the campaign in the scheduler's own order.

    Args:
        work: What is left; sessions in flight count as not started.
        slots: Kernels that may run together at each site.
        allowance: Weekly quota or budget of GPU sessions, None without one.
        deadline_in_s: Seconds until the campaign's own deadline.
        packing: Which trainings share a kernel; None if each has its own.
    """
    return Simulation(work, slots, allowance, deadline_in_s, packing or Packing()).run()
