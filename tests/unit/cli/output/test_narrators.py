"""Messages are filtered by level: no wording can hide a warning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.cli.output.narrators import Filtered, for_proof, for_trial
from orchestrator.core.checkpoint.log_messages import TAG, restoration, unusable, walked_back
from orchestrator.core.messages import Level, Message
from tests.doubles.narrator import Listener

LINES = st.one_of(st.text(max_size=60), st.sampled_from((f"{TAG} x", "Found session x", "Waiting: x", "  - x")))


@given(level=st.sampled_from(list(Level)), least=st.sampled_from(list(Level)), lines=st.lists(LINES, min_size=1))
def test_messages_are_filtered_by_level_only(level: Level, least: Level, lines: list[str]) -> None:
    listener = Listener()
    message = Message(level=level, code="any", lines=tuple(lines))
    Filtered(listener, least=least, prefix="> ").report(message)
    assert listener.lines == ([f"> {line}" for line in lines] if level >= least else [])
    assert listener.codes() == (["any"] if level >= least else [])


@pytest.mark.parametrize("narrator_of", [lambda listener: for_trial("1d718dcf", listener), for_proof])
def test_damage_is_shown_with_its_reason_in_a_tick_and_in_a_proof(narrator_of: object) -> None:
    listener = Listener()
    narrator = narrator_of(listener)  # type: ignore[operator]  # parametrized: a function of a listener
    for code, lines in (
        ("nothing_restored", unusable({"a_checkpoint_9_steps": "its zip does not have its sha256"})),
        ("walked_back", walked_back({"a_checkpoint_9_steps": "its zip is damaged"}, "a_checkpoint_5_steps.zip")),
    ):
        narrator.report(Message(level=Level.WARNING, code=code, lines=tuple(lines)))
    narrator.report(Message(level=Level.DETAIL, code="restored", lines=tuple(restoration([]))))
    assert "does not have its sha256" in listener.text and "is damaged" in listener.text
    assert listener.codes() == ["nothing_restored", "walked_back"]
