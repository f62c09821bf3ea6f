"""The routes: the page, its JSON, the stream of its changes, and a sign of life."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from orchestrator.core.page.page import Page
from orchestrator.page.server.apart import Apart
from orchestrator.page.server.event_stream import EventStream
from orchestrator.page.server.feed import Feed
from orchestrator.page.server.guard import Guard

MOST_STREAMS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """How the page is shown.

    Attributes:
        html: Renders a page.
        policy: Content-Security-Policy of every page that it renders.
    """

    html: Callable[[Page], str]
    policy: str


def application_of(
    feed: Feed, document: Document, port: int, *, apart: Apart, report: Callable[[Exception], None]
) -> ASGIApp:
    """The ASGI application.

    Args:
        port: At which it is served.
        apart: Carries out a rendering.
        report: Receives an exception that a client sees as an internal error.
    """

    async def absent(request: Request, fault: Exception) -> Response:
        return PlainTextResponse("There is no such page.\n", 404)

    async def failed(request: Request, fault: Exception) -> Response:
        report(fault)
        return PlainTextResponse("The page could not be made. The terminal of `serve` shows why.\n", 500)

    answers = _Answers(feed=feed, document=document, apart=apart)
    routes = [
        Route("/", answers.page),
        Route("/page.json", answers.page_json),
        Route("/events", answers.events),
        Route("/health", answers.health),
    ]
    application = Starlette(routes=routes, exception_handlers={404: absent, Exception: failed})
    application.router.redirect_slashes = False
    return Guard(application, port)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """What is sent for each route."""

    feed: Feed
    document: Document
    apart: Apart

    async def page(self, request: Request) -> Response:
        shown = (await self.feed.fresh()).page
        # A name of a file may hold bytes that are not UTF-8; within the JSON of the page this is an escape.
        text = await self.apart(lambda: self.document.html(shown).encode("utf-8", "backslashreplace"))
        policy = f"{self.document.policy}; frame-ancestors 'none'"
        return Response(text, headers={"Content-Security-Policy": policy}, media_type="text/html")

    async def page_json(self, request: Request) -> Response:
        return Response((await self.feed.fresh()).body, media_type="application/json")

    async def events(self, request: Request) -> ASGIApp:
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        if self.feed.listeners >= MOST_STREAMS:
            text = f"{MOST_STREAMS} pages are open already. Close some of them.\n"
            return PlainTextResponse(text, 503, {"Retry-After": "10"})
        return EventStream(self.feed, request.headers.get("last-event-id", ""))

    async def health(self, request: Request) -> Response:
        return JSONResponse({"serves": "orchestrator", "open_pages": self.feed.listeners})
