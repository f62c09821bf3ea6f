"""The end of the server: no connection outlives its event loop, however slowly a client reads."""

from __future__ import annotations

import gc
import socket
import threading
import warnings

import pytest

from orchestrator.page.server import serving
from orchestrator.page.server.address import listening_socket
from orchestrator.page.server.application import Document
from tests.browser import pages


def test_a_client_that_does_not_read_is_cut_off_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_STREAMS_END_WITHIN_S", 0.01)
    listening = listening_socket(0)
    port = listening.getsockname()[1]
    document = Document(html=lambda page: "x" * 20_000_000, policy="default-src 'none'")
    server = serving.server_of(pages.empty_page, document, port, report=lambda fault: None)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    with warnings.catch_warnings(record=True) as caught, socket.create_connection(("127.0.0.1", port)) as client:
        warnings.simplefilter("always")
        thread.start()
        client.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert client.recv(16).startswith(b"HTTP/1.1 200"), "the rest of the page is not read"
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
        del server
        gc.collect()
    assert [str(one.message) for one in caught if issubclass(one.category, ResourceWarning)] == []
