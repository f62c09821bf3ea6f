"""Open the campaign that a command names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from orchestrator.core.campaign.config import Campaign
    from orchestrator.core.campaign.expansion import Trial
    from orchestrator.stores.project import Project


File = Annotated[str, typer.Argument(metavar="FILE", help="Campaign file, or the name of one in configs/campaigns.")]


def open_campaign(name: str, backend: str | None) -> tuple[Project, Campaign, tuple[Trial, ...]]:
    """The project, the campaign and all its trials.

    Raises:
        BadInput: The file, a card or a setting is wrong.
    """
    import sys

    from orchestrator.cli.option_effects import campaign_variables
    from orchestrator.cli.output.console import Console
    from orchestrator.stores.campaign.campaign_yaml import campaign_path, load_campaign, on_backend
    from orchestrator.stores.project import find_project
    from orchestrator.stores.secrets.rules import also_hide
    from orchestrator.wiring.campaigns import webhooks_in_use
    from orchestrator.wiring.searches import campaign_trials

    project = find_project()
    of_file = load_campaign(campaign_path(project.campaigns, name))
    campaign = on_backend(of_file, backend)
    also_hide(webhooks_in_use(campaign))
    Console(sys.stderr).say(*campaign_variables(tuple(of_file.limits), backend))
    return project, campaign, campaign_trials(project, campaign)
