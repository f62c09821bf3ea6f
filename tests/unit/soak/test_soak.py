"""A small soak in the normal suite: some virtual hours of a campaign under faults, without a measurement of memory."""

from __future__ import annotations

from pathlib import Path

from tests.soak.computer import Plan
from tests.soak.measures import Sample, growing, slope
from tests.soak.soak import Soak

SMALL = Plan(gpu_trials=2, cpu_trials=2, target_steps=100, session_s=900.0, quota_h=40.0)


def test_a_campaign_under_faults_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    soaked = Soak(tmp_path, SMALL, hours=1.0, seed=3, rate=0.08, every_s=150.0).run()
    assert soaked.wrongs == []
    assert len(soaked.policies) == 4 and len(soaked.service.kernels) >= 20
    assert soaked.kills and sum(soaked.service.faults.values()) > 20


def test_growth_above_a_limit_is_reported() -> None:
    flat = {name: 5.0 for name in ("rss_kib", "traced_kib", "descriptors", "threads", "ledger_bytes", "ledger_events")}
    flat |= dict.fromkeys(("results_bytes", "archived", "unfinished", "temporary"), 5.0)
    samples = [Sample(hour=hour, values=flat | {"descriptors": 5.0 + hour}) for hour in range(9)]
    assert abs(slope(samples, "descriptors") - 1.0) < 1e-9
    assert [line.partition(":")[0] for line in growing(samples)] == ["open file handles"]
    assert growing([Sample(hour=hour, values=flat) for hour in range(9)]) == []
