"""A webhook is notified of changes; a webhook that fails is reported and never stops a tick."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from orchestrator.core.campaign.config import Notify
from orchestrator.core.errors import BadInput, RemoteUnavailable
from orchestrator.core.secret_search import SecretValue
from orchestrator.notices.webhook import Webhook, webhook_address
from orchestrator.pipeline.campaign.tick_report import notify
from orchestrator.stores.secrets.rules import masking
from tests.doubles.clock import FakeClock
from tests.simulation.campaigns import SMALL, expanded
from tests.simulation.computer import Computer
from tests.simulation.world import World


class WebhookServer(HTTPServer):
    received: list[dict[str, object]]
    credentials: list[str | None]
    answer = 204


@pytest.fixture
def webhook_server() -> Iterator[WebhookServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            server.credentials.append(self.headers["Authorization"])
            self.send_response(server.answer)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            return

    server = WebhookServer(("127.0.0.1", 0), Handler)
    server.received, server.credentials = [], []
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_change_is_sent_and_a_tick_without_changes_is_not(webhook_server: WebhookServer) -> None:
    computer = Computer(World(clock=FakeClock()), *expanded(SMALL))
    context = replace(computer.context, send_report=Webhook(f"http://127.0.0.1:{webhook_server.server_port}/hook").send)
    tick_report = computer.tick()
    assert tick_report is not None and notify(context, tick_report) == ("Notification sent to the webhook",)
    (report,) = webhook_server.received
    assert report["campaign"] == "small" and report["states"] == {"live": 2, "waiting": 2, "blocked": 1}
    without_changes = replace(tick_report, changes=())
    assert notify(context, without_changes) == () and len(webhook_server.received) == 1


def test_a_failing_webhook_is_reported_and_does_not_fail_the_tick(webhook_server: WebhookServer) -> None:
    computer = Computer(World(clock=FakeClock()), *expanded(SMALL))
    tick_report = computer.tick()
    assert tick_report is not None
    webhook_server.answer = 500
    hook = Webhook(f"http://127.0.0.1:{webhook_server.server_port}/secret-path")
    assert notify(replace(computer.context, send_report=hook.send), tick_report) == (
        "Notification not sent: the webhook did not take it: HTTP 500",
    )
    closed = Webhook("http://127.0.0.1:9/secret-path")
    with pytest.raises(RemoteUnavailable) as caught:
        closed.send({})
    assert "secret-path" not in str(caught.value)


def test_the_address_may_come_from_an_environment_variable() -> None:
    assert webhook_address(None, "HOOK", {"HOOK": "http://a"}) == "http://a"
    with pytest.raises(BadInput):
        webhook_address(None, "HOOK", {})


def test_no_password_goes_to_a_webhook_and_no_redirect_is_followed(
    webhook_server: WebhookServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login ana password correct-horse-42\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    hook = Webhook(f"http://127.0.0.1:{webhook_server.server_port}/hook")
    hook.send({"changes": []})
    for status in (301, 307, 308):
        webhook_server.answer = status
        with pytest.raises(RemoteUnavailable, match=f"HTTP {status}"):
            hook.send({"changes": []})
    assert webhook_server.credentials == [None] * 4


def test_a_report_is_masked_before_it_is_sent(webhook_server: WebhookServer) -> None:
    key, token = "9f1c07d2b3a84e65" + "a0c4d8e2f6b1937c", "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"
    mask = masking([SecretValue(name="KAGGLE_KEY", value=key)])
    hook = Webhook(f"http://127.0.0.1:{webhook_server.server_port}/hook", mask)
    hook.send({"changes": [f"a failed: {key}"], "troubles": (token,), "states": {key: 1, "done": 2}})
    (report,) = webhook_server.received
    assert (
        key not in str(report) and token not in str(report) and report["changes"] == ["a failed: [value of KAGGLE_KEY]"]
    )


def test_a_wrong_address_is_not_repeated_in_the_message() -> None:
    with pytest.raises(ValueError, match="must be an http") as fault:
        Notify(webhook="htps://hooks.example.org/T0AB12CD/B0EF34GH")
    assert "T0AB12CD" not in str(fault.value)
