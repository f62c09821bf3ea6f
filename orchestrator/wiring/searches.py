"""The concrete classes of a search, and the trials of a campaign that searches."""

from __future__ import annotations

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Trial, expand
from orchestrator.core.campaign.search_config import Search
from orchestrator.core.errors import BadInput
from orchestrator.pipeline.search.replay import SearchReplay
from orchestrator.pipeline.search.state import ProposerOf
from orchestrator.ports import Ledger, Proposer
from orchestrator.stores.campaign.campaign_yaml import card_reader
from orchestrator.stores.ledger.reading import ledger_for_reading
from orchestrator.stores.project import Project
from orchestrator.stores.session.results import ResultsTree


def searching_of(project: Project, campaign: Campaign, ledger: Ledger) -> SearchReplay | None:
    """The search replay of a campaign, None if its file names all trials.

    Raises:
        BadInput: Optuna is not installed.
    """
    if all(group.search is None for group in campaign.trials.values()):
        return None
    results = ResultsTree(project.results)
    return SearchReplay(campaign, card_reader(project.cards), ledger, results, proposer_of())


def proposer_of() -> ProposerOf:
    """The factory of proposers. Optuna is imported here, only when a campaign searches.

    Raises:
        BadInput: Optuna is not installed.
    """
    try:
        from orchestrator.search.proposer import OptunaProposer
    except ModuleNotFoundError as fault:
        if fault.name is None or fault.name.partition(".")[0] != "optuna":
            raise
        raise BadInput(
            "this campaign searches, and Optuna is not installed",
            remedy="python -m pip install 'optuna>=5'",
        ) from fault

    def make(search: Search, most_rungs: int) -> Proposer:
        return OptunaProposer(search, most_rungs)

    return make


def campaign_trials(project: Project, campaign: Campaign) -> tuple[Trial, ...]:
    """All trials of a campaign by the current ledger. Creates no ledger.

    Raises:
        BadInput: A card or a setting is wrong, or Optuna is needed and not installed.
    """
    with ledger_for_reading(project.own / "ledger.sqlite") as ledger:
        searching = searching_of(project, campaign, ledger)
        return searching.trials() if searching else expand(campaign, card_reader(project.cards))
