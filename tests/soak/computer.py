"""One computer of the soak: the real campaign on disk, ticked by a program that lives for days, or is killed."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from orchestrator.backends.kaggle.backend import KaggleBackend
from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.retry import Retry
from orchestrator.backends.kaggle.session.checkpoint_dataset import CheckpointDataset
from orchestrator.cli.output.console import Console
from orchestrator.cli.output.narrators import for_trial
from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Trial, expand
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.polling import pause_s
from orchestrator.pipeline.campaign.context import CampaignContext
from orchestrator.pipeline.campaign.tick import CampaignTicker
from orchestrator.pipeline.campaign.tick_report import TickReport
from orchestrator.ports import Clock
from orchestrator.stores.campaign.campaign_yaml import card_reader, parse_campaign
from orchestrator.stores.project import Project
from orchestrator.wiring import BACKENDS
from orchestrator.wiring.campaigns import campaign_context
from tests.doubles.toy_section import make_toy_project, read_card_file, write_card
from tests.soak.api import SoakApi
from tests.soak.service import Service

EVERY_STEPS = 10
_LOOK_EVERY_S = (10.0, 60.0)

_CAMPAIGN = """
campaign: soak
backend: kaggle
sessions: {{gpu: 2, cpu: 2}}
retries: {{stuck: 99, crashed: 99}}
assume: {{steps_per_s: 0.0333, start_s: 60.0, save_s: 60.0}}
trials:
  gpu:
    section: section_7_6
    seeds: {gpu_trials}
    settings: {{kaggle.gpu: true}}
  cpu:
    section: section_7_6
    seeds: {cpu_trials}
    settings: {{kaggle.gpu: false, environment.decision_s: 5.0}}
"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The trainings of a soak.

    Attributes:
        target_steps: Of each training; its checkpoints are `EVERY_STEPS` apart.
        session_s: Longest session.
        quota_h: GPU hours of a day.
    """

    gpu_trials: int
    cpu_trials: int
    target_steps: int
    session_s: float
    quota_h: float

    def project(self, root: Path) -> Project:
        """A project with the toy section in these sizes."""
        make_toy_project(root)
        card = cast(dict[str, Any], read_card_file(root))
        card["profiles"]["full"] |= {
            "target_steps": self.target_steps,
            "checkpoint_every_steps": EVERY_STEPS,
            "evaluate_every_steps": self.target_steps,
            "deadline_s": self.session_s,
        }
        write_card(root, card)
        return Project(code=root, state=root)

    @property
    def campaign(self) -> Campaign:
        """The campaign file."""
        return parse_campaign(_CAMPAIGN.format(gpu_trials=self.gpu_trials, cpu_trials=self.cpu_trials), "soak.yaml")


@dataclass
class Computer:
    """The program of one project.

    Attributes:
        act: Called before and after each request.
    """

    project: Project
    service: Service
    campaign: Campaign
    act: Callable[[], None] = lambda: None
    trials: tuple[Trial, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.trials = expand(self.campaign, card_reader(self.project.cards))

    @contextmanager
    def running(self) -> Iterator[Ticking]:
        """`campaign run`: one program until its end. Its output goes to the null device, as under `nohup`."""
        with open(os.devnull, "w", encoding="utf-8") as stream:  # noqa: PTH123  # the device has no folder of its own
            console = Console(stream)
            with (
                patch.dict(cast(dict[str, object], BACKENDS), kaggle=self._backend),
                campaign_context(
                    self.project, self.campaign, self.trials, lambda name: for_trial(name, console), self.service.clock
                ) as context,
            ):
                yield Ticking(context)

    def _backend(self, project: Project, card: SectionCard, clock: Clock) -> KaggleBackend:
        retry = Retry(clock, random.Random(0).uniform)
        api = cast(KaggleApi, SoakApi(self.service, retry, self.act))
        return KaggleBackend(api, cast(CheckpointDataset, None), card.kaggle, retry)


class Ticking:
    """The ticks of one program."""

    def __init__(self, context: CampaignContext) -> None:
        self._context = context
        self._ticker = CampaignTicker(context)
        self._without_change = 0

    def tick(self) -> TickReport:
        """One tick, under the lease."""
        if not self._context.lease.take():
            raise AssertionError("the lease is held, and no other program lives")
        try:
            report = self._ticker.tick()
        finally:
            self._context.lease.release()
        self._without_change = 0 if report.changes else self._without_change + 1
        return report

    @property
    def pause_s(self) -> float:
        """Seconds until the next tick, as `campaign run` waits."""
        return pause_s(self._without_change, _LOOK_EVERY_S)
