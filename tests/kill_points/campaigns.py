"""Scenarios of a campaign on Kaggle in memory: ticks of trainings alone, and of trainings that share a kernel."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from orchestrator.core.campaign.expansion import expand
from orchestrator.pipeline.campaign.tick import CampaignTicker
from orchestrator.stores import project as project_room
from orchestrator.stores.campaign.campaign_yaml import card_reader, parse_campaign
from orchestrator.wiring import campaigns as wiring
from tests.kill_points.running import KaggleScenario

_PLAN = """
campaign: small
backend: kaggle
concurrency: 2
assume: {steps_per_s: 100}
trials:
  main: {section: section_7_6, profile: quick, seeds: [0, 1]}
"""


class Ticks(KaggleScenario):
    """Ticks until two trainings of two sessions each are done; every tick is a new process."""

    name = "tick"
    sessions = 4
    plan = _PLAN

    def act(self) -> None:
        self._ticks()

    def go_on(self) -> None:
        self._ticks()

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.campaign = parse_campaign(self.plan, "small.yaml")
        self.trials = expand(self.campaign, card_reader(self.project.cards))

    def _ticks(self) -> None:
        for _ in range(30):
            with ExitStack() as stack:
                for name, double in self._doubles().items():
                    stack.enter_context(patch.object(wiring, name, double))
                stack.enter_context(patch.object(project_room, "_PROBE_BYTES", 8))
                context = stack.enter_context(
                    wiring.campaign_context(
                        self.project, self.campaign, self.trials, lambda name: self.listener, self.account.clock
                    )
                )
                assert context.lease.take()
                stack.callback(context.lease.release)
                report = CampaignTicker(context).tick()
            if report.over:
                assert report.complete, report
                return
            self.account.clock.sleep(max(self.account.next_end_s() or 0.0, 600.0))
        raise AssertionError(f"not over: {report}\n{self.listener.text[-3000:]}")

    def _doubles(self) -> dict[str, Any]:
        return {
            "make_backend": lambda name, project, card, clock: self.backend(card.kaggle),
            "FrozenCode": lambda store: self.frozen,
            "Gate": lambda in_use, allowed: None,
            "secrets": SimpleNamespace(token_hex=lambda size_bytes: self.account.draw_token()),
        }


class PackedTicks(Ticks):
    """As `Ticks`; both trainings share one kernel."""

    name = "packing"
    plan = f"{_PLAN}pack: 2\n"


CAMPAIGNS = (Ticks, PackedTicks)
