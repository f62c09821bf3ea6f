"""All scenarios, and how much of each is tried."""

from __future__ import annotations

from dataclasses import dataclass

from tests.kill_points.campaigns import PackedTicks, Ticks
from tests.kill_points.kernel_session import KernelSession
from tests.kill_points.local_sessions import LocalCancel, LocalRun, Supervisor, SupervisorAndKernel
from tests.kill_points.restoring import Fresh, FreshLinked, Restore, RestoreLinked, Rotation
from tests.kill_points.running import Cancel, Run, RunFresh
from tests.kill_points.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of a scenario is tried.

    Attributes:
        pairs: Every n-th second kill.
        fast: In the usual tests, continue from every n-th state.
        real: In the long proof, kill a real process at every n-th point as well; 0 for none.
    """

    kind: type[Scenario]
    pairs: int = 1
    fast: int = 1
    real: int = 0


SCENARIOS = (
    Size(kind=Restore, fast=4, real=1),
    Size(kind=RestoreLinked, fast=12),
    Size(kind=Fresh, real=1),
    Size(kind=FreshLinked),
    Size(kind=Rotation, fast=3, real=1),
    Size(kind=KernelSession, fast=3, real=1),
    Size(kind=Run, pairs=100, fast=60, real=5),
    Size(kind=RunFresh, pairs=60, fast=30),
    Size(kind=Cancel, pairs=100, fast=60, real=5),
    Size(kind=Ticks, pairs=300, fast=200, real=20),
    Size(kind=PackedTicks, pairs=300, fast=200),
    Size(kind=LocalRun, pairs=100, fast=60),
    Size(kind=LocalCancel, pairs=100, fast=60),
    Size(kind=Supervisor, pairs=20, fast=10),
    Size(kind=SupervisorAndKernel, pairs=20, fast=10),
)
