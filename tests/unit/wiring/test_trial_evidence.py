"""What a campaign knows about a trial that ended."""

from __future__ import annotations

import pytest

from orchestrator.core.campaign.trial_status import INVALID, PLATEAU, REFUSED_HERE, State, TrialStatus
from orchestrator.wiring.trial_evidence import evidence_of
from tests.simulation.campaigns import SMALL, expanded

CAMPAIGN, TRIALS = expanded(SMALL)


@pytest.mark.parametrize(
    ("state", "why", "by_hand"),
    [
        (State.FAILED, "cancelled", True),
        (State.FAILED, "stuck", True),
        (State.FAILED, INVALID, False),
        (State.FAILED, REFUSED_HERE, False),
        (State.FAILED, PLATEAU, False),
        (State.WAITING, "", False),
    ],
)
def test_a_trial_that_the_tick_gave_up_has_a_command_of_its_own(state: State, why: str, by_hand: bool) -> None:
    status = TrialStatus(trial=TRIALS[-1], state=state, why=why)
    command = evidence_of(status, CAMPAIGN, "small", "").by_hand
    assert command.startswith("python -m orchestrator run section_7_6 --quick --backend local --seed 0 ") is by_hand
    assert by_hand or command == ""
