"""Refused pushes: the texts that Kaggle sends, which of them is worth waiting for, and the line that the user sees."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.mapping import SaveAnswer, observation
from orchestrator.backends.kaggle.session.push_errors import SLOT_WAIT_S, fault_of_push, refusal
from orchestrator.core.errors import EXIT_RUN_FAILED, BadInput, NotYet
from orchestrator.core.run.summary import GOOD_ENDS
from orchestrator.core.session.end_reason import REMEDIES, EndReason

REFRESH = datetime(2026, 11, 28, tzinfo=UTC)


def refused(message: str) -> Exception:
    found = refusal(SaveAnswer(ref="", version=None, error=message), "slug", REFRESH)
    assert found is not None
    return found


@pytest.mark.parametrize("message", ["Notebook not found", "Kernel not found", "Title already in use", "x"])
def test_a_refusal_inside_a_successful_answer_is_no_success(message: str) -> None:
    fault = refused(message)
    assert isinstance(fault, BadInput) and str(fault) == f"Kaggle refused the push: {message}"


@pytest.mark.parametrize(
    "message",
    ["Maximum batch GPU session count of 2 reached.", "Maximum batch CPU session count of 5 reached."],
)
def test_a_taken_slot_is_waited_for(message: str) -> None:
    fault = refused(message)
    assert isinstance(fault, NotYet) and str(fault) == f"Kaggle: {message}"
    assert (fault.wait_s, fault.until, fault.remedy) == (SLOT_WAIT_S, None, "A slot frees when a session ends.")


@pytest.mark.parametrize("hours", ["30.00", "45.00"])
def test_a_spent_quota_waits_for_its_refresh(hours: str) -> None:
    fault = refused(f"Maximum weekly GPU quota of {hours} hours reached.")
    assert isinstance(fault, NotYet) and fault.until == REFRESH
    assert fault.remedy == "Run the same command again after the quota's refresh; nothing is lost."


def test_a_dataset_in_processing_is_waited_for() -> None:
    fault = fault_of_push(ServiceFault("push", status=409, message="The dataset is still being processed"))
    assert isinstance(fault, NotYet) and fault.remedy == "The dataset is still being processed."


def test_a_session_that_kaggle_cancels_is_no_crash() -> None:
    ended = observation("CANCEL_ACKNOWLEDGED")
    assert ended.reason is EndReason.CANCELLED
    assert REMEDIES[ended.reason] == "Run the same command again to continue from the saved checkpoint."
    assert ended.reason.value not in GOOD_ENDS and EXIT_RUN_FAILED == 1
