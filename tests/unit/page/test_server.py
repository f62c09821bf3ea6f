"""The live page: routes, events of one shared reading, and requests that are refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.core.page.page import Headline, Page, Subject
from orchestrator.page.server.application import MOST_STREAMS, Document, application_of
from orchestrator.page.server.event_stream import STALLED_S
from orchestrator.page.server.feed import Feed
from tests.doubles.asgi import Client, Exchange, here, run_virtually

HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
PAGE = Page(
    subject=Subject.PROJECT,
    title="demo",
    made_at="",
    command="orchestrator report",
    headline=Headline(verdict="unfinished", text="0 steps"),
)


class Project:
    """What a test reads instead of a project."""

    def __init__(self) -> None:
        self.steps, self.readings, self.faults = 0, 0, list[Exception]()
        self.fault: Exception | None = None
        self._at = count()

    def read(self) -> Page:
        self.readings += 1
        if self.fault is not None:
            raise self.fault
        headline = Headline(verdict="unfinished", text=f"{self.steps} steps")
        return replace(PAGE, made_at=f"reading {next(self._at)}", headline=headline)


def html(page: Page) -> str:
    return (
        "<!doctype html><title>t</title><style>p { color: red }</style>"
        f'<script type="application/json">{{"text": "{page.headline.text}"}}</script><script>let a = 1 < 2;</script>'
    )


def served(project: Project, *, port: int = 8750) -> tuple[Client, Feed]:
    feed = Feed(project.read, apart=here, report=project.faults.append)
    document = Document(html=html, policy="script-src 'none'")
    application = application_of(feed, document, port, apart=here, report=project.faults.append)
    return Client(application), feed


def sent(exchange: Exchange) -> list[str]:
    """The pages of a stream, by their headline."""
    found = []
    for event in b"".join(exchange.parts).decode().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in event.split("\n") if ": " in line)
        if "data" in lines:
            assert len(lines["id"]) == 64
            found.append(json.loads(lines["data"])["headline"]["text"])
    return found


def keep_alives(exchange: Exchange) -> int:
    return b"".join(exchange.parts).count(b": keep-alive\n\n")


@pytest.mark.parametrize("path", ["/", "/page.json", "/health", "/nothing", "/page.json/"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "TRACE"])
def test_each_answer_has_the_headers_that_keep_other_pages_out(path: str, method: str) -> None:
    reply = run_virtually(served(Project())[0].get(path, method))
    read = method in ("GET", "HEAD")
    assert reply.status == (405 if not read else 404 if path in ("/nothing", "/page.json/") else 200)
    assert {name: reply.header(name.lower()) for name in HEADERS} == HEADERS
    assert reply.header("allow") == (None if read else "GET, HEAD")
    assert not [name for name, _ in reply.headers if name.startswith("access-control")]
    assert "frame-ancestors 'none'" in str(reply.header("content-security-policy"))


@pytest.mark.parametrize(
    ("host", "port", "status"),
    [
        ("127.0.0.1:8750", 8750, 200),
        ("localhost:8750", 8750, 200),
        ("LocalHost:8750", 8750, 200),
        ("[::1]:8750", 8750, 200),
        ("127.0.0.1", 80, 200),
        ("localhost:80", 80, 200),
        (None, 8750, 421),
        ("", 8750, 421),
        ("127.0.0.1", 8750, 421),
        ("127.0.0.1:8751", 8750, 421),
        ("localhost.:8750", 8750, 421),
        ("evil.example:8750", 8750, 421),
        ("127.0.0.1.evil.example:8750", 8750, 421),
        ("localhost:8750@evil.example", 8750, 421),
        ("evil.example, localhost:8750", 8750, 421),
        ("0.0.0.0:8750", 8750, 421),
        ("127.0.0.1:08750", 8750, 421),
        (" 127.0.0.1:8750", 8750, 421),
    ],
)
@pytest.mark.parametrize("path", ["/", "/page.json"])
def test_a_foreign_host_is_refused(host: str | None, port: int, status: int, path: str) -> None:
    client = replace(served(Project(), port=port)[0], host=host)
    reply = run_virtually(client.get(path))
    assert reply.status == status
    assert ("steps" in reply.text) == (status == 200)


def test_a_foreign_host_gets_no_stream() -> None:
    project = Project()
    reply = run_virtually(replace(served(project)[0], host="evil.example:8750").get("/events"))
    assert (reply.status, project.readings) == (421, 0)


def test_two_hosts_in_one_request_are_refused() -> None:
    client = replace(served(Project())[0], host=None)
    reply = run_virtually(client.get("/", headers={"host": "127.0.0.1:8750", "Host": "evil.example"}))
    assert reply.status == 421


_TEXT = st.text(st.characters(max_codepoint=255), max_size=20)


@given(
    path=st.sampled_from(["/", "/page.json", "/health", "/x"]) | _TEXT.map("/{}".format),
    method=st.sampled_from(["GET", "HEAD", "POST", "get", ""]) | _TEXT,
    headers=st.dictionaries(st.sampled_from(["host", "origin", "sec-fetch-site", "last-event-id"]), _TEXT),
)
@settings(deadline=None, max_examples=25)
def test_no_odd_request_is_an_error_or_reads_the_page(path: str, method: str, headers: dict[str, str]) -> None:
    project = Project()
    client = replace(served(project)[0], host=None)
    reply = run_virtually(client.get(path, method, headers))
    assert reply.status == 421  # no text of Hypothesis is one of the three hosts
    own = replace(client, host="127.0.0.1:8750")
    reply = run_virtually(own.get(path, method, {name: text for name, text in headers.items() if name != "host"}))
    assert reply.status in (200, 403, 404, 405) and project.faults == []


NAVIGATION = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/page.json", {"origin": "http://127.0.0.1:8750"}, 200),
        ("/page.json", {"origin": "http://localhost:8750", "sec-fetch-site": "same-origin"}, 200),
        ("/page.json", {"sec-fetch-site": "none"}, 200),
        ("/page.json", {"origin": "http://evil.example"}, 403),
        ("/page.json", {"origin": "https://127.0.0.1:8750"}, 403),
        ("/page.json", {"origin": "http://127.0.0.1:8751"}, 403),
        ("/page.json", {"origin": "null"}, 403),
        ("/page.json", {"origin": "127.0.0.1:8750"}, 403),
        ("/page.json", {"origin": ""}, 403),
        ("/page.json", {"sec-fetch-site": "cross-site"}, 403),
        ("/events", {"sec-fetch-site": "same-site"}, 403),
        ("/page.json", NAVIGATION, 403),
        ("/", NAVIGATION, 200),
        ("/", {**NAVIGATION, "sec-fetch-dest": "iframe"}, 403),
        ("/", {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
    ],
)
def test_a_request_of_another_page_is_refused(path: str, headers: dict[str, str], status: int) -> None:
    assert run_virtually(served(Project())[0].get(path, headers=headers)).status == status


def test_the_page_has_its_policy_and_cannot_be_framed() -> None:
    reply = run_virtually(served(Project())[0].get("/"))
    assert reply.header("content-security-policy") == "script-src 'none'; frame-ancestors 'none'"


def test_the_stream_sends_each_change_once_and_keeps_alive() -> None:
    async def watch() -> None:
        project = Project()
        client, _ = served(project)
        stream = client.open("/events")
        await asyncio.sleep(1)
        assert stream.reply.header("content-type") == "text/event-stream; charset=utf-8"
        assert (sent(stream), keep_alives(stream)) == (["0 steps"], 0)
        await asyncio.sleep(61)
        assert (sent(stream), keep_alives(stream)) == (["0 steps"], 4)
        project.steps = 10
        await asyncio.sleep(2)
        assert sent(stream) == ["0 steps", "10 steps"]
        await asyncio.sleep(12)
        assert keep_alives(stream) == 4  # 15 s after the page, not after the one before it
        await asyncio.sleep(4)
        assert keep_alives(stream) == 5
        await stream.leave()
        assert project.faults == []

    run_virtually(watch())


def test_a_client_that_connects_again_gets_only_what_it_lacks() -> None:
    async def watch() -> None:
        project = Project()
        client, _ = served(project)
        first = client.open("/events")
        await asyncio.sleep(1)
        await first.leave()
        known = b"".join(first.parts).decode().partition("id: ")[2].partition("\n")[0]
        again, changed, strange = (
            client.open("/events", headers={"last-event-id": known}),
            client.open("/events", headers={"last-event-id": "0" * 64}),
            client.open("/events", headers={"last-event-id": "é\x00 no digest"}),
        )
        await asyncio.sleep(1)
        assert (sent(again), sent(changed), sent(strange)) == ([], ["0 steps"], ["0 steps"])
        project.steps = 5
        await asyncio.sleep(3)
        assert sent(again) == ["5 steps"]
        for stream in (again, changed, strange):
            await stream.leave()

    run_virtually(watch())


def test_twenty_clients_share_one_reading_and_nothing_is_read_without_a_client() -> None:
    async def watch() -> None:
        project = Project()
        client, feed = served(project)
        await asyncio.sleep(100)
        assert project.readings == 0
        streams = [client.open("/events") for _ in range(20)]
        pages = await asyncio.gather(*(client.get("/page.json") for _ in range(20)))
        assert len({page.body for page in pages}) == 1
        await asyncio.sleep(20)
        assert 10 <= project.readings <= 11  # one in two seconds
        assert feed.listeners == 20
        for stream in streams:
            assert sent(stream) == ["0 steps"]
            await stream.leave()
        before = project.readings
        await asyncio.sleep(100)
        assert (project.readings, feed.listeners) == (before, 0)
        project.steps = 7
        assert "7 steps" in (await client.get("/page.json")).text

    run_virtually(watch())


def test_a_client_that_takes_nothing_delays_no_other_and_loses_its_stream() -> None:
    async def watch() -> None:
        project = Project()
        client, feed = served(project)
        slow, quick = client.open("/events"), client.open("/events")
        await asyncio.sleep(1)
        slow.takes.clear()
        for steps in (1, 2, 3):
            project.steps = steps
            await asyncio.sleep(3)
        assert sent(quick) == ["0 steps", "1 steps", "2 steps", "3 steps"]
        slow.takes.set()
        await asyncio.sleep(1)
        assert sent(slow) == ["0 steps", "1 steps", "3 steps"]  # not what was replaced while it waited
        slow.takes.clear()
        await asyncio.sleep(STALLED_S + 20)
        assert feed.listeners == 1
        await quick.leave()
        assert project.faults == []

    run_virtually(watch())


def test_the_number_of_streams_is_limited() -> None:
    async def watch() -> None:
        client, feed = served(Project())
        streams = [client.open("/events") for _ in range(MOST_STREAMS)]
        await asyncio.sleep(1)
        refused = await client.get("/events")
        assert (refused.status, refused.header("retry-after")) == (503, "10")
        assert (await client.get("/page.json")).status == 200
        await streams.pop().leave()
        again = client.open("/events")
        await asyncio.sleep(1)
        assert again.reply.status == 200
        feed.close()
        for stream in (*streams, again):
            assert stream.task is not None
            await stream.task

    run_virtually(watch())


def test_streams_that_open_at_one_moment_do_not_exceed_the_limit() -> None:
    async def watch() -> None:
        client, feed = served(Project())
        streams = [client.open("/events") for _ in range(2 * MOST_STREAMS)]
        await asyncio.sleep(1)
        assert [stream.reply.status for stream in streams].count(503) == feed.listeners == MOST_STREAMS
        feed.close()
        await asyncio.sleep(1)

    run_virtually(watch())


def test_a_stream_does_not_begin_with_an_old_page() -> None:
    async def watch() -> None:
        project = Project()
        client, _ = served(project)
        await client.get("/page.json")
        await asyncio.sleep(3600)
        project.steps = 9
        stream = client.open("/events")
        await asyncio.sleep(1)
        assert sent(stream) == ["9 steps"]
        await stream.leave()

    run_virtually(watch())


def test_open_streams_end_when_the_server_stops() -> None:
    async def watch() -> float:
        client, feed = served(Project())
        stream = client.open("/events")
        await asyncio.sleep(1)
        feed.close()
        began = asyncio.get_running_loop().time()
        assert stream.task is not None
        await stream.task
        return asyncio.get_running_loop().time() - began

    assert run_virtually(watch()) == 0.0


def test_head_of_the_stream_ends() -> None:
    reply = run_virtually(served(Project())[0].get("/events", "HEAD"))
    assert (reply.status, reply.body) == (200, b"")
    assert str(reply.header("content-type")).startswith("text/event-stream")


def test_a_fault_shows_a_plain_sentence_and_the_stream_goes_on() -> None:
    async def watch() -> None:
        project = Project()
        project.fault = RuntimeError("at /home/me/project with ghp_secret")
        client, _ = served(project)
        exchange = client.open("/page.json")
        assert exchange.task is not None
        with pytest.raises(RuntimeError):  # Starlette raises it again for the server, after the answer
            await exchange.task
        reply = exchange.reply
        assert reply.text == "The page could not be made. The terminal of `serve` shows why.\n"
        assert reply.status == 500 and reply.header("x-frame-options") == "DENY"
        assert project.faults == [project.fault]
        stream = client.open("/events")
        assert stream.task is not None
        with pytest.raises(RuntimeError):
            await stream.task
        assert stream.reply.status == 500 and stream.reply.text == reply.text
        project.fault = None
        stream = client.open("/events")
        await asyncio.sleep(1)
        project.fault = ValueError("again")
        await asyncio.sleep(10)
        project.fault, project.steps = None, 3
        await asyncio.sleep(5)
        assert sent(stream) == ["0 steps", "3 steps"]
        await stream.leave()

    run_virtually(watch())


def test_the_page_that_was_read_at_the_start_is_sent_and_not_read_again() -> None:
    async def watch() -> None:
        project = Project()
        feed = Feed(project.read, apart=here, report=project.faults.append)
        feed.begin(PAGE, took_s=3.0)
        assert (await feed.fresh()).page.headline.text == PAGE.headline.text and project.readings == 0
        with feed.listening():
            await asyncio.sleep(11.5)
            assert project.readings == 0
            await asyncio.sleep(1)
            assert project.readings == 1

    run_virtually(watch())


@pytest.mark.parametrize("took_s", [1.5, 15.0, 60.0])
def test_a_page_that_takes_long_to_read_leaves_time_between_two_readings(took_s: float) -> None:
    async def slowly(work: Callable[[], object]) -> object:
        await asyncio.sleep(took_s)
        return work()

    async def watch() -> None:
        project = Project()
        feed = Feed(project.read, apart=slowly, report=project.faults.append)
        with feed.listening():
            await asyncio.sleep(50 * took_s)
        assert 9 <= project.readings <= 11  # a fifth of the time

    run_virtually(watch())
