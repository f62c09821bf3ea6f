"""Whoever is to be told is told; that nobody listens is said, and stops nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from orchestrator.core.errors import BadInput, RemoteUnavailable
from orchestrator.notices.webhook import Webhook, webhook_address
from orchestrator.pipeline.campaign.tick_report import notify
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer
from tests.simulation.world import World


class Listening(HTTPServer):
    heard: list[dict[str, object]]
    answer = 204


@pytest.fixture
def listening() -> Iterator[Listening]:
    class Ear(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(server.answer)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            return

    server = Listening(("127.0.0.1", 0), Ear)
    server.heard = []
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_change_is_told(listening: Listening) -> None:
    computer = Computer(World(clock=FakeClock()), *expanded(SMALL))
    context = replace(computer.context, send_report=Webhook(f"http://127.0.0.1:{listening.server_port}/hook").send)
    ticked = computer.tick()
    assert ticked is not None and notify(context, ticked) == ("Notification sent to the webhook",)
    (report,) = listening.heard
    assert report["campaign"] == "small" and report["states"] == {"live": 2, "waiting": 2, "blocked": 1}
    quiet = replace(ticked, changes=())
    assert notify(context, quiet) == () and len(listening.heard) == 1


def test_a_webhook_that_fails_is_said_and_fails_nothing(listening: Listening) -> None:
    computer = Computer(World(clock=FakeClock()), *expanded(SMALL))
    ticked = computer.tick()
    assert ticked is not None
    listening.answer = 500
    hook = Webhook(f"http://127.0.0.1:{listening.server_port}/secret-path")
    assert notify(replace(computer.context, send_report=hook.send), ticked) == (
        "Notification not sent: the webhook did not take it: HTTP 500",
    )
    closed = Webhook("http://127.0.0.1:9/secret-path")
    with pytest.raises(RemoteUnavailable) as caught:
        closed.send({})
    assert "secret-path" not in str(caught.value)


def test_the_address_may_stand_in_a_variable() -> None:
    assert webhook_address(None, "HOOK", {"HOOK": "http://a"}) == "http://a"
    with pytest.raises(BadInput):
        webhook_address(None, "HOOK", {})
