"""The socket of the live page: this computer only, the default port or the next free one, a given port or none."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.page.server import address
from orchestrator.page.server.address import listening_socket


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_only_this_computer_reaches_it() -> None:
    with listening_socket(0) as listening:
        host, port = listening.getsockname()
    assert host == "127.0.0.1" and port > 0


def test_the_next_port_is_used_if_the_default_one_is_taken(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "DEFAULT_PORT", taken)
    with listening_socket(None) as listening:
        assert taken < listening.getsockname()[1] < taken + 20


def test_a_given_port_that_is_taken_is_refused_with_a_free_one(taken: int) -> None:
    with pytest.raises(BadInput, match=f"^port {taken} is in use by another program$") as refused:
        listening_socket(taken)
    free = int(refused.value.remedy.removeprefix("Use a free one: --port "))
    listening_socket(free).close()


def test_all_ports_taken(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "DEFAULT_PORT", taken)
    monkeypatch.setattr(address, "_TRIED", 1)
    with pytest.raises(BadInput, match=f"^ports {taken} to {taken} are in use") as refused:
        listening_socket(None)
    assert refused.value.remedy.startswith("Use a free one: --port ")


def test_a_port_that_may_not_be_used_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(address, "_bound", refuse)
    with pytest.raises(BadInput, match="port 80 may not be used: Permission denied") as refused:
        listening_socket(80)
    assert "above 1023" in refused.value.remedy
