"""The table of a campaign's trials that ended badly, each with its verdict and the next command."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

from orchestrator.core.autopsy.verdicts import Autopsy
from orchestrator.core.campaign.trial_status import TrialStatus

COLUMNS = ("trial", "lineage", "state", "why", "verdict", "sentence", "command")


def failures_csv(statuses: Sequence[TrialStatus], autopsies: Mapping[str, Autopsy]) -> str:
    """One row for each trial with an autopsy, as CSV with LF line ends.

    Args:
        autopsies: By lineage id.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in statuses:
        if (found := autopsies.get(one.trial.lineage_id)) is not None:
            trial, state = one.trial, one.state.value
            writer.writerow(
                (trial.label, trial.name8, state, one.why, found.verdict.value, found.sentence, found.command)
            )
    return text.getvalue()
