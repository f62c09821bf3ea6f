"""All scenarios, and how much of each is tried."""

from __future__ import annotations

from dataclasses import dataclass

from tests.kill_points.campaigns import PackedTicks, Ticks
from tests.kill_points.kernel_session import KernelSession
from tests.kill_points.local_sessions import LocalRun, Supervisor, SupervisorAndKernel
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
    Size(kind=Restore, real=1),
    Size(kind=RestoreLinked),
    Size(kind=Fresh, real=1),
    Size(kind=FreshLinked),
    Size(kind=Rotation, real=1),
    Size(kind=KernelSession, real=1),
    Size(kind=Run, pairs=50, fast=50, real=5),
    Size(kind=RunFresh, pairs=50, fast=50),
    Size(kind=Cancel, pairs=50, fast=50, real=5),
    Size(kind=Ticks, pairs=150, fast=80, real=10),
    Size(kind=PackedTicks, pairs=150, fast=80),
    Size(kind=LocalRun, pairs=50, fast=50),
    Size(kind=Supervisor, pairs=50, fast=50),
    Size(kind=SupervisorAndKernel, pairs=50, fast=50),
)
