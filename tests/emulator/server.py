"""The HTTP side: one handler for calls, signed addresses, uploads and the live log."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.emulator.faults import Fault
from tests.emulator.journal import Entry
from tests.emulator.log import persisted, stream
from tests.emulator.signed import EXPIRED_BODY
from tests.emulator.wire import Refused

if TYPE_CHECKING:
    from tests.emulator.loopback import LoopbackKaggle

_LOG_PREFIX = "/api/v1/kernels/logs/stream/"


class Server(ThreadingHTTPServer):
    """The HTTP server of an emulator."""

    daemon_threads = True
    kaggle: LoopbackKaggle

    def __init__(self, *words: Any) -> None:
        self._open: set[socket.socket] = set()
        super().__init__(*words)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        """End the connections that are open."""
        for one in tuple(self._open):
            with suppress(OSError):  # it has just been closed
                one.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that disconnected; record any other error for the test."""
        import sys

        kind = sys.exc_info()[0]
        if kind is None or not issubclass(kind, ConnectionError):
            self.kaggle.bugs.append(sys.exc_info()[1])
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer on a kept connection waits 40 ms for an acknowledgement
    server: Server

    def do_POST(self) -> None:
        """A call of the API."""
        raw = self._body()
        method = self.path.removeprefix("/api/v1/")
        try:
            plain = json.loads(raw or b"{}")
        except ValueError:
            return self._answer(method, raw, 400, _words(400, "Not JSON"))
        fault = self.server.kaggle.faults.take(method.rpartition("/")[2], plain)
        if fault and (fault.drop == "before" or fault.status or fault.endless or fault.redirect):
            return self._misbehave(method, plain, raw, fault)
        if method.endswith("/DownloadKernelOutputZip"):
            return self._zip(plain, raw, fault)
        try:
            status, answer = 200, self.server.kaggle.call(method, plain, self.headers.get("Authorization", ""))
        except Refused as refused:
            status, answer = refused.status, _words(refused.status, refused.message)
        if fault and fault.change:
            answer = fault.change(answer)
        if fault and fault.drop == "after":
            return self._vanish(method, plain, raw)
        self._answer(method, raw, status, answer, plain=plain, truncate=bool(fault and fault.truncate))
        return None

    def _zip(self, plain: Any, raw: bytes, fault: Fault | None) -> None:
        method, kaggle = "DownloadKernelOutputZip", self.server.kaggle
        try:
            path = kaggle.output_zip(plain, self.headers.get("Authorization", ""))
        except Refused as refused:
            return self._answer(method, raw, refused.status, _words(refused.status, refused.message), plain=plain)
        if kaggle.settings.zip_redirects:
            return self._send(method, 302, b"", "text/plain", plain=plain, extra={"Location": kaggle.signed.give(path)})
        content = path.read_bytes()
        content = fault.damage(content) if fault and fault.damage else content
        truncate = bool(fault and fault.truncate)
        return self._send(method, 200, content, "application/zip", plain=plain, truncate=truncate)

    def do_GET(self) -> None:
        """A signed address or a live log."""
        if self.path.startswith(_LOG_PREFIX):
            return self._log()
        signature = self.path.removeprefix("/signed/").partition("?")[0]
        path = self.server.kaggle.signed.open(signature)
        fault = self.server.kaggle.faults.take("download", path.as_posix() if path else signature)
        if fault and (fault.drop or fault.status or fault.endless or fault.redirect):
            return self._misbehave("download", None, b"", fault)
        if path is None:
            return self._send("download", 403, EXPIRED_BODY, "application/xml")
        self._file(path, fault or Fault())
        return None

    def do_PUT(self) -> None:
        """The bytes of an upload."""
        raw = self._body()
        status = self.server.kaggle.datasets.receive(self.path.removeprefix("/upload/"), raw)
        self._send("upload", status, b"", "text/plain", bytes_in=len(raw))

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: tests read the journal instead."""

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _file(self, path: Path, fault: Fault) -> None:
        content = fault.damage(path.read_bytes()) if fault.damage else path.read_bytes()
        wanted = self.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start > len(content) or (start and start == len(content)):
            return self._send("download", 416, b"", "text/plain")
        body = content if fault.ignore_range else content[start:]
        status, kind = 206 if wanted else 200, "application/octet-stream"
        return self._send("download", status, body, kind, truncate=fault.truncate, extra=fault.headers)

    def _log(self) -> None:
        kaggle = self.server.kaggle
        owner, _, slug = self.path.removeprefix(_LOG_PREFIX).partition("/")
        fault = kaggle.faults.take("log", slug)
        if fault and (fault.drop or fault.status or fault.endless or fault.redirect):
            return self._misbehave("log", None, b"", fault)
        try:
            kernel = kaggle.kernels.find(owner, slug, kaggle.accounts.who(self.headers.get("Authorization", "")))
        except Refused as refused:
            return self._answer("log", b"", refused.status, _words(refused.status, refused.message))
        if kernel is None:
            return self._answer("log", b"", 404, _words(404, "No session"))
        if kernel.ended.is_set():
            return self._send("log", 200, persisted(kernel.machine.events).encode("utf-8"), "application/json")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._note("log", None, 200, 0, 0)
        whole = stream(kernel, self._chunk, kaggle.settings.stream_events)
        if whole:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True
        return None

    def _chunk(self, piece: bytes) -> None:
        self.wfile.write(f"{len(piece):x}\r\n".encode("ascii") + piece + b"\r\n")
        self.wfile.flush()

    def _misbehave(self, method: str, plain: Any, raw: bytes, fault: Fault) -> None:
        if fault.drop:
            return self._vanish(method, plain, raw)
        if fault.endless:
            return self._flood(method, plain, fault)
        if fault.redirect:
            return self._send(method, 302, b"", "text/plain", plain=plain, extra={"Location": fault.redirect})
        if fault.body:
            return self._send(method, fault.status, fault.body.encode("utf-8"), "text/html", bytes_in=len(raw))
        extra = {"Retry-After": fault.retry_after} if fault.retry_after else {}
        self._answer(method, raw, fault.status, _words(fault.status, "As the test wished"), plain=plain, extra=extra)
        return None

    def _flood(self, method: str, plain: Any, fault: Fault) -> None:
        """Send without an end, as fast as the client reads; stop at 8 GB so that a failing test ends."""
        self._note(method, plain, 200, 0, 0)
        self.send_response(200)
        kinds = {"log": "text/event-stream", "DownloadKernelOutputZip": "application/zip"}
        self.send_header("Content-Type", kinds.get(method.rpartition("/")[2], "application/json"))
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        while self.server.kaggle.flooded_bytes < 8 << 30:
            self.wfile.write(fault.endless)
            self.server.kaggle.flooded_bytes += len(fault.endless)

    def _vanish(self, method: str, plain: Any, raw: bytes) -> None:
        self._note(method, plain, 0, len(raw), 0)
        self.close_connection = True
        self.connection.shutdown(2)

    def _answer(
        self,
        method: str,
        raw: bytes,
        status: int,
        answer: dict[str, Any],
        *,
        plain: Any = None,
        truncate: bool = False,
        extra: dict[str, str] | None = None,
    ) -> None:
        body = json.dumps(answer).encode("utf-8")
        self._send(
            method, status, body, "application/json", bytes_in=len(raw), plain=plain, truncate=truncate, extra=extra
        )

    def _send(
        self,
        method: str,
        status: int,
        body: bytes,
        kind: str,
        *,
        bytes_in: int = 0,
        plain: Any = None,
        truncate: bool = False,
        extra: Mapping[str, str | None] | None = None,
    ) -> None:
        self._note(method, plain, status, bytes_in, len(body))
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(len(body)), **(extra or {})}
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        if headers["Content-Length"] is None:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if truncate else body)
        if truncate:
            self.close_connection = True

    def _note(self, method: str, plain: Any, status: int, bytes_in: int, bytes_out: int) -> None:
        name = method.rpartition("/")[2]
        self.server.kaggle.journal.add(
            Entry(method=name, request=plain, status=status, bytes_in=bytes_in, bytes_out=bytes_out)
        )


def _words(status: int, message: str) -> dict[str, Any]:
    return {"code": status, "message": message}
