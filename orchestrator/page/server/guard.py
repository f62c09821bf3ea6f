"""Refuses what does not come from the page itself, and sets the headers that keep other pages out.

Any page in the user's browser can send requests to this computer. It must not read the answers:

* A name of its own that it points to 127.0.0.1 (DNS rebinding) is found by the `Host` header.
* A request from another origin is found by `Origin` and `Sec-Fetch-Site` (https://www.w3.org/TR/fetch-metadata/), and
  no answer has a CORS header.
"""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = ("GET", "HEAD")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class Guard:
    """An ASGI application around another one.

    Args:
        port: At which the application is served.
    """

    def __init__(self, application: ASGIApp, port: int) -> None:
        self._application = application
        names = ("127.0.0.1", "localhost", "[::1]")
        # A browser leaves out the port of http (RFC 9110, 4.2.3).
        self._hosts = frozenset({f"{name}:{port}" for name in names} | (set(names) if port == 80 else set()))
        self._origins = frozenset(f"http://{host}" for host in self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._application)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        hosts = [host.lower() for host in headers.getlist("host")]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return PlainTextResponse("This address is not served here. Open the address that `serve` printed.\n", 421)
        if not self._is_own(headers, scope):
            return PlainTextResponse("Another page must not read this one.\n", 403)
        if scope["method"] not in _METHODS:
            return PlainTextResponse("This page can only be read.\n", 405, {"Allow": ", ".join(_METHODS)})
        return None

    def _is_own(self, headers: Headers, scope: Scope) -> bool:
        """Whether a request comes from this page, from no page, or opens this page from a link."""
        if any(origin.lower() not in self._origins for origin in headers.getlist("origin")):
            return False
        sites = set(headers.getlist("sec-fetch-site"))
        opens = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")) == ("navigate", "document")
        return sites <= {"same-origin", "none"} or (opens and scope["path"] == "/")
