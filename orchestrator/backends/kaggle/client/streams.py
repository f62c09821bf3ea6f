"""What Kaggle sends as a stream of bytes: live logs, single outputs, all outputs as one zip."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import requests

from orchestrator.backends.kaggle.client.connection import CONNECT_S, Connection, no_auth, read_body, request_of
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.log_parser import STORED, lines_of_log, live_events

STREAM_SILENCE_S = 55.0
"""Longest silence of a live log or a download; a session prints progress at least every 15 s."""

_PIECE_BYTES = 1 << 16
_MOST_LOG_BYTES = 256 << 20
"""Far above any log; a longer one is not read."""
_RANGE = re.compile(r"bytes ([0-9]{1,18})-")
"""Source: RFC 9110, section 14.4."""


class Streams:
    """The streams of one account's kernels."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def output_zip(self, session_id: int) -> Iterator[Iterator[bytes]]:
        """All outputs of a session as the bytes of one zip.

        Raises:
            ServiceFault: It was refused, or the transfer broke.
        """
        from kagglesdk.kernels.types.kernels_api_service import ApiDownloadKernelOutputZipRequest

        request = request_of(ApiDownloadKernelOutputZipRequest, kernel_session_id=session_id)
        # Asked once: every file can be fetched by itself as well.
        what = "zip of the outputs"
        response = self._connection.ask(what, lambda: self._kernels.download_kernel_output_zip(request))
        try:
            with response:
                yield response.iter_content(_PIECE_BYTES)
        except requests.RequestException as fault:
            raise ServiceFault(what, status=None, message=type(fault).__name__) from None

    def log_events(
        self, owner: str, slug: str, *, silence_s: float = STREAM_SILENCE_S, most_s: float = math.inf
    ) -> Iterator[Mapping[str, Any]]:
        """The kernel's log from its beginning: live while it runs, `STORED` afterwards. Ends when it is complete.

        Args:
            silence_s: Seconds without any byte after which the stream counts as broken.
            most_s: Longest time to read a live stream, in seconds; what has arrived by then is returned.

        Raises:
            ServiceFault: The stream broke or was silent too long; a new call starts at the beginning again.
        """
        url = f"{self._connection.endpoint}/kernels/logs/stream/{owner}/{slug}"
        headers = {"Accept": "text/event-stream, */*", "Content-Type": None}
        with self._streaming("log", self._connection.session, url, headers, silence_s) as response:
            if response.headers.get("Content-Type", "").lower().startswith("text/event-stream"):
                began = self._connection.now()
                # Split as bytes: decoded text would also be split at characters such as U+2028.
                yield from live_events(
                    response.iter_lines(chunk_size=1),
                    lambda: (self._connection.now() - began).total_seconds() > most_s,
                )
            else:
                for line in lines_of_log(read_body(response, _MOST_LOG_BYTES).decode("utf-8", "replace")):
                    yield {"data": line + "\n", STORED: True}

    @contextmanager
    def download(self, url: str, offset: int) -> Iterator[tuple[bool, Iterator[bytes]]]:
        """The bytes behind a signed address, from an offset on.

        Yields:
            Whether the service honoured the offset, and the bytes.

        Raises:
            ServiceFault: It failed; an expired address answers 403 and needs a new listing.
        """
        # A separate session: a signed address needs no credentials, and its host must not receive ours.
        # Sent as it is: the offset counts bytes of the file, not of a compressed form.
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={offset}-"} if offset else {})}
        with requests.Session() as session:
            session.auth = no_auth
            with self._streaming("download", session, url, headers) as response:
                yield _is_resumed(response, offset), response.iter_content(_PIECE_BYTES)

    def service_now(self) -> datetime:
        """The present time on the service's clock, aware UTC; by its last answer, whose time has no fractions."""
        return self._connection.now() - timedelta(seconds=self._connection.clock_skew_s or 0.0)

    @property
    def _kernels(self) -> Any:
        return self._connection.client.kernels.kernels_api_client

    @contextmanager
    def _streaming(
        self,
        what: str,
        session: requests.Session,
        url: str,
        headers: Mapping[str, str | None],
        silence_s: float = STREAM_SILENCE_S,
    ) -> Iterator[requests.Response]:
        try:
            with session.get(url, headers=headers, stream=True, timeout=(CONNECT_S, silence_s)) as response:
                if response.status_code >= 400:
                    raise self._connection.fault(what, response, "")
                yield response
        except requests.RequestException as fault:
            raise ServiceFault(what, status=None, message=type(fault).__name__) from None


def _is_resumed(response: requests.Response, offset: int) -> bool:
    """Whether the bytes of an answer begin at the offset, and not at 0.

    Raises:
        ServiceFault: They begin elsewhere.
    """
    if response.status_code != requests.codes.partial:
        return False
    stated = _RANGE.match(response.headers.get("Content-Range") or "")
    start = int(stated[1]) if stated else offset
    if start not in (0, offset):
        raise ServiceFault("download", status=None, message=f"bytes from {offset} on were asked for, not from {start}")
    return start == offset
