"""Sessions that share a kernel: what may be combined, their handles, and their lines of the log."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.core.session.backend_types import Carrier, CheckpointSet, Handle, Push
from orchestrator.core.session.machine import Machine
from orchestrator.core.session.pack import combine, longest_deadline_s, member_of, own_lines, require_whole_kernel
from tests.unit.kernel.makers import make_ticket

KERNEL = Handle(backend="kaggle", owner="ana", slug="x")


def _push(number: int, **changed: object) -> Push:
    spec = {"deadline_s": 100.0 * number}
    ticket = replace(make_ticket(spec=spec), nonce=str(number) * 32)
    push = Push(
        slug=f"s{number}",
        owner="ana",
        script="",
        ticket=ticket,
        carrier=Carrier.NONE,
        checkpoints=CheckpointSet(root=Path(), entries=()),
    )
    return replace(push, **changed)  # type: ignore[arg-type]  # keyword arguments of several types


def test_a_pack_has_the_first_push_and_the_others_as_companions() -> None:
    pushes = [_push(number) for number in (1, 2, 3)]
    packed = combine(pushes, "print()", "pack")
    assert (packed.slug, packed.script, packed.ticket) == ("pack", "print()", pushes[0].ticket)
    assert [one.ticket for one in packed.sessions] == [one.ticket for one in pushes]
    assert longest_deadline_s(packed) == 300.0
    endless = _push(4, ticket=make_ticket(spec={"deadline_s": None}))
    assert longest_deadline_s(combine([pushes[0], endless], "", "pack")) is None


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (_push(2, ticket=make_ticket(bundle_digest="d" * 64)), "same code"),
        (_push(2, settings={"gpu": True}), "different machines"),
        (_push(2, machine=Machine(accelerator=None, docker_image="older")), "different machines"),
        (_push(2, owner="bob"), "different machines"),
        (_push(1), "only once"),
    ],
)
def test_what_cannot_share_a_kernel_is_refused(other: Push, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        combine([_push(1), other], "", "pack")


@pytest.mark.parametrize("text", ["kaggle://ana/x", "kaggle://ana/x#1", "kaggle://ana/x#12"])
def test_a_handle_names_the_kernel_or_one_session_in_it(text: str) -> None:
    handle = Handle.parse(text)
    assert str(handle) == text and (handle.slug, handle.owner) == ("x", "ana")


@pytest.mark.parametrize("text", ["kaggle://ana/x#", "kaggle://ana/x#0", "kaggle://ana/x#-1", "kaggle://ana/x#1/2"])
def test_a_damaged_handle_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="not a session handle"):
        Handle.parse(text)


def test_a_session_is_found_in_its_kernel_by_its_nonce() -> None:
    tickets = [_push(number).ticket for number in (1, 2)]
    assert member_of(KERNEL, tickets, "2" * 32) == replace(KERNEL, member=2)
    assert member_of(KERNEL, tickets, "3" * 32) is None
    assert member_of(KERNEL, tickets[:1], "1" * 32) == KERNEL


def test_a_session_sees_its_own_lines_as_if_it_were_alone() -> None:
    log = ["2 sessions in this kernel, 2 side by side.", "[1] a", "[2] [1] b", "[12] c", "[1] "]
    assert list(own_lines(log, 1)) == ["a", ""]
    assert list(own_lines(log, 2)) == ["[1] b"]
    assert list(own_lines(log, None)) == log


def test_the_remedy_names_the_whole_kernel() -> None:
    require_whole_kernel(KERNEL, "stopped")
    with pytest.raises(BadInput, match="session 2 of x cannot be stopped alone") as refused:
        require_whole_kernel(replace(KERNEL, member=2), "stopped")
    assert "kaggle://ana/x." in refused.value.remedy
