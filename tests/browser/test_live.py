"""The served page in a real browser: updates arrive, nothing violates its policy, and a restart is survived."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest

from orchestrator.core.page.page import Page
from orchestrator.core.page.training import Training
from orchestrator.page.document import TEMPLATES, html, policy
from orchestrator.page.server import event_stream, feed
from orchestrator.page.server.address import listening_socket
from orchestrator.page.server.application import Document
from orchestrator.page.server.serving import Server, server_of
from tests.browser import pages
from tests.browser.chromium import Browser
from tests.browser.tab import Tab

DOCUMENT = Document(html=partial(html, templates=TEMPLATES), policy=policy(TEMPLATES, live=True))
WITHOUT_CHARTS = replace(DOCUMENT, html=lambda page: pages.without_plotly(html(page, TEMPLATES)))
"""Loads much faster, for what does not depend on charts."""
FIRST = pages.campaign_page(2, 10)


class Source:
    """What the server reads."""

    def __init__(self) -> None:
        self.page = FIRST

    def __call__(self) -> Page:
        return self.page

    def train(self, steps: int) -> None:
        """Let all trainings in flight come further."""

        def further(one: Training) -> Training:
            curve = replace(one.curve, steps=(*one.curve.steps, steps), scores=(*one.curve.scores, 400.0))
            return replace(one, steps=steps, curve=curve) if one.state == "in flight" else one

        self.page = replace(self.page, trainings=tuple(further(one) for one in self.page.trainings))


@contextmanager
def serving(source: Source, listening: socket.socket, document: Document = WITHOUT_CHARTS) -> Iterator[str]:
    """The address of the server, which runs in a thread."""

    def report(fault: Exception) -> None:
        raise fault

    port = listening.getsockname()[1]
    server: Server = server_of(source, document, port, report)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server reads the page, and the browser connects again, ten times as often."""
    monkeypatch.setattr(feed, "Timing", partial(feed.Timing, read_every_s=0.2))
    monkeypatch.setattr(event_stream, "_RETRY", b"retry: 200\n\n")


@pytest.fixture
def source() -> Source:
    return Source()


def test_an_update_arrives_and_keeps_what_the_reader_chose(browser: Browser, source: Source) -> None:
    with serving(source, listening_socket(0), DOCUMENT) as address:
        tab = browser.open(address)
        tab.ready()
        tab.click("#trainings th[data-key=steps] button")
        tab.click("#trainings th[data-key=steps] button")
        tab.fill("[data-control=filter]", "in flight")
        points = int(tab.data("curve")["points"])
        rows = int(tab.data("trainings")["rows"])
        flying = sum(one.state == "in flight" for one in FIRST.trainings)
        assert 0 < rows == flying
        source.train(123_456)
        tab.wait("document.querySelector('#trainings tbody').innerText.includes('123,456')")
        assert int(tab.data("curve")["points"]) == points + flying
        assert tab.evaluate("document.querySelector('#trainings th[data-key=steps]').ariaSort") == "descending"
        assert tab.evaluate("document.querySelector('[data-control=filter]').value") == "in flight"
        assert int(tab.data("trainings")["rows"]) == rows
        picture = "Plotly.toImage(document.querySelector('#curve .plot'), {format: 'png'})"
        assert str(tab.evaluate(picture)).startswith("data:image/png")
        assert {request.removeprefix(address) for request in tab.requests()} == {"", "events"}
        assert tab.errors() == []
        tab.close()


def test_a_foreign_script_does_not_run_and_reaches_no_other_server(browser: Browser, source: Source) -> None:
    with serving(source, listening_socket(0)) as address, socket.create_server(("127.0.0.1", 0)) as other:
        tab = browser.open(address)
        tab.ready()
        tab.evaluate(
            "(() => { const foreign = document.createElement('script'); foreign.textContent = 'window.ran = 1';"
            " document.body.append(foreign); document.body.insertAdjacentHTML('beforeend',"
            ' \'<img src=x onerror="window.ran = 1"><iframe srcdoc="<script>top.ran = 1</script>"></iframe>\'); })()'
        )
        elsewhere = f"http://127.0.0.1:{other.getsockname()[1]}/"
        assert tab.evaluate(f"fetch('{elsewhere}').then(() => 'reached', () => 'refused')") == "refused"
        assert tab.evaluate("window.ran ?? 'never'") == "never"
        tab.close()
        other.settimeout(0.2)
        with pytest.raises(TimeoutError):
            other.accept()


def test_another_page_can_neither_read_nor_frame_it(browser: Browser, source: Source) -> None:
    with serving(source, listening_socket(0)) as address:
        port = address.rstrip("/").rpartition(":")[2]
        foreign = browser.open("data:text/html,<title>foreign</title>")
        reading = f"fetch('{address}page.json').then((answer) => answer.text(), () => 'refused')"
        assert foreign.evaluate(reading) == "refused"
        assert foreign.evaluate(
            f"fetch('{address}page.json', {{mode: 'no-cors'}}).then((one) => one.text(), () => 'refused')"
        ) in ("", "refused")
        listening = (
            f"new Promise((end) => {{ const s = new EventSource('{address}events');"
            " s.onmessage = () => end('read'); s.onerror = () => { s.close(); end('refused'); }; })"
        )
        assert foreign.evaluate(listening) == "refused"
        foreign.close()
        named = browser.open(f"http://localhost:{port}/")  # another name of this computer is the same page
        named.ready()
        assert named.errors() == []
        named.close()


def test_the_page_goes_on_after_the_server_was_started_again(browser: Browser, source: Source) -> None:
    listening = listening_socket(0)
    with serving(source, listening) as address:
        tab = browser.open(address)
        tab.ready()
        tab.wait("document.querySelector('[data-part=live]').dataset.updates")
    tab.wait("document.querySelector('[data-part=live]').dataset.live === 'lost'")
    with serving(source, listening_socket(int(address.rstrip("/").rpartition(":")[2]))):
        tab.wait("document.querySelector('[data-part=live]').dataset.live === 'updated'")
        source.train(150_000)
        tab.wait("document.querySelector('#trainings tbody').innerText.includes('150,000')")
        assert tab.data("live")["live"] == "updated"
        assert tab.data("trainings")["rows"] == str(len(FIRST.trainings))
    tab.close()


def test_a_page_out_of_sight_holds_no_connection(browser: Browser, source: Source) -> None:
    with serving(source, listening_socket(0)) as address:
        tab = browser.open(address)
        tab.ready()
        _wait_for_open_pages(tab, 1)
        hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
        seen = "document.dispatchEvent(new Event('visibilitychange'))"
        tab.evaluate(hide % "true" + seen)
        _wait_for_open_pages(tab, 0)
        source.train(140_000)
        tab.evaluate(hide % "false" + seen)
        tab.wait("document.querySelector('#trainings tbody').innerText.includes('140,000')")
        assert tab.errors() == []
        tab.close()


def _wait_for_open_pages(tab: Tab, count: int) -> None:
    until = time.monotonic() + 20
    while tab.evaluate("fetch('health').then((answer) => answer.json()).then((one) => one.open_pages)") != count:
        assert time.monotonic() < until
        time.sleep(0.05)
