"""The live page follows its events, and keeps what its reader chose. The events come from a stand-in of the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from orchestrator.core.page.page import Page
from orchestrator.core.page.training import Training
from tests.browser import pages, parts
from tests.browser.chromium import Browser
from tests.browser.tab import Tab

SERVER = """
  window.EventSource = class extends EventTarget {
    static CLOSED = 2;
    constructor(address) { super(); this.address = address; this.readyState = 1; window.source = this; }
    close() { this.readyState = 2; }
  };
  const wait = window.setTimeout;
  window.setTimeout = (work, delay) => wait(work, Math.min(delay, 50));
  window.tell = (text) => window.source.dispatchEvent(new MessageEvent("message", { data: text }));
"""
AREA = "document.querySelector('#curve .nsewdrag')"
FIRST = replace(pages.campaign_page(2, 10), live=True)


@pytest.fixture(scope="module")
def live(browser: Browser, written: Callable[..., str]) -> Iterator[Tab]:
    tab = browser.open(written(FIRST, "live"), first=SERVER)
    tab.ready()
    yield tab
    tab.close()


def _send(tab: Tab, page: Page) -> None:
    tab.evaluate(f"tell({json.dumps(json.dumps(page.to_json()))})")


def _with_more_steps(page: Page) -> Page:
    def longer(one: Training) -> pages.Training:
        curve = replace(one.curve, steps=(*one.curve.steps, 130_000), scores=(*one.curve.scores, 400.0))
        return replace(one, steps=130_000, curve=curve) if one.state == "in flight" else one

    return replace(page, trainings=tuple(longer(one) for one in page.trainings), made_at=parts.at(183))


def test_an_update_changes_the_data_and_keeps_what_the_reader_chose(live: Tab) -> None:
    assert live.evaluate("source.address") == "events"
    assert "Live" in live.text("[data-part=live]")
    live.click("#trainings th[data-key=steps] button")
    live.fill("[data-control=filter]", "in flight")
    live.click("#trainings tr[data-lineage]")
    live.click("#compare summary")
    live.evaluate("scrollTo({top: 700, behavior: 'instant'})")
    zoom = "document.querySelector('#curve .plot').layout.xaxis.range"
    plot = live.evaluate(f"(({{left, top}}) => [left, top])({AREA}.getBoundingClientRect())")
    live.drag((plot[0] + 100, plot[1] + 100), (plot[0] + 300, plot[1] + 102))
    live.wait(f"{zoom}[0] > 0")
    zoomed = live.evaluate(zoom)
    points = int(live.data("curve")["points"])
    _send(live, _with_more_steps(FIRST))
    assert int(live.data("curve")["points"]) == points + 1
    assert "130,000 / 200,000" in live.text("#trainings tbody")
    assert live.evaluate("document.querySelector('#trainings th[data-key=steps]').ariaSort") == "ascending"
    assert live.evaluate("document.querySelector('[data-control=filter]').value") == "in flight"
    assert live.data("trainings")["chosen"] == live.data("curve")["curves"] == "1"
    assert live.evaluate(zoom) == zoomed
    assert live.evaluate("document.querySelector('#compare details').open") is True
    assert live.evaluate("scrollY") == 700
    assert live.text("[data-part=live]").startswith("Live, updated ")
    assert live.data("live")["updates"] == "1"
    assert live.errors() == []


def test_a_closed_connection_is_opened_again(live: Tab) -> None:
    live.evaluate("window.first = source; source.readyState = 2; source.dispatchEvent(new Event('error'))")
    live.wait("source !== first && source.readyState === 1", within_s=8)
    assert live.evaluate("[source.address, first.readyState]") == ["events", 2]
    _send(live, _with_more_steps(FIRST))
    assert live.text("[data-part=live]").startswith("Live, updated ")


def test_a_lost_connection_and_a_damaged_update_are_shown(live: Tab) -> None:
    live.evaluate("source.dispatchEvent(new Event('error'))")
    assert live.text("[data-part=live]") == "Connection lost, trying again"
    _send(live, FIRST)
    assert live.text("[data-part=live]").startswith("Live, updated ")
    updates = live.data("live")["updates"]
    live.evaluate("tell('{\"schema\":')")
    assert live.data("live")["updates"] == updates
    live.evaluate("tell('{\"schema\":2}')")
    assert "Load the page again" in live.text("[data-part=live]")
    assert live.evaluate("source.readyState") == 2


def test_a_campaign_may_begin_while_the_page_is_open(browser: Browser, written: Callable[..., str]) -> None:
    tab = browser.open(written(replace(pages.empty_page(), live=True), "begins", pages.without_plotly), first=SERVER)
    tab.ready()
    assert tab.evaluate("document.querySelector('#trainings').hidden") is True
    _send(tab, FIRST)
    assert tab.data("trainings")["rows"] == "20"
    assert tab.data("gantt")["sessions"] == str(len(FIRST.sessions))
    assert tab.errors() == []
    tab.close()
