"""Connections that send no request, or take no answer, end and lock no reader out."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from orchestrator.page.server import connections
from orchestrator.page.server.address import listening_socket
from orchestrator.page.server.application import Document
from orchestrator.page.server.serving import server_of
from tests.unit.page.test_server import Project, html


@pytest.fixture
def port() -> Iterator[int]:
    """A server on a free port."""
    project, listening = Project(), listening_socket(0)
    found: int = listening.getsockname()[1]
    server = server_of(project.read, Document(html=html, policy="script-src 'none'"), found, project.faults.append)
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]))
    thread.start()
    yield found
    server.should_exit = True
    thread.join()
    assert project.faults == []


def opened(held: ExitStack, port: int, text: str) -> socket.socket:
    connection = held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
    connection.sendall(text.replace("\n", "\r\n").encode())
    return connection


def request(path: str, port: int) -> str:
    return f"GET {path} HTTP/1.1\nHost: 127.0.0.1:{port}\n\n"


def test_a_request_without_an_end_is_cut_off_and_a_stream_is_not(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LOOK_EVERY_S", 0.1)
    with ExitStack() as held:
        stream = opened(held, port, request("/events", port))
        slow = [opened(held, port, text) for text in ("", "GET / HT", request("/health", port) + "GET /")]
        for one in slow:
            with pytest.raises(ConnectionResetError):
                while one.recv(4096):
                    pass
                raise ConnectionResetError
        stream.settimeout(0.3)
        with pytest.raises(TimeoutError):  # it stays open, without any news
            while stream.recv(65536):
                pass


def test_idle_connections_lock_no_reader_out(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 5)
    with ExitStack() as held:
        stream = opened(held, port, request("/events", port))
        assert stream.recv(12) == b"HTTP/1.1 200"
        for _ in range(20):
            opened(held, port, "GET / HT")
        assert opened(held, port, request("/health", port)).recv(12) == b"HTTP/1.1 200"
        stream.settimeout(0.2)
        with pytest.raises(TimeoutError):
            while stream.recv(65536):
                pass
