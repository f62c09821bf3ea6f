"""What Kaggle sends as a stream of bytes: live logs, single outputs, all outputs as one zip."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests

from orchestrator.backends.kaggle.client.connection import CONNECT_S, Connection, no_auth, request_of
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.log_parser import lines_of_log, live_events

STREAM_SILENCE_S = 55.0
"""Longest silence of a live log or a download; a session prints progress at least every 15 s."""

_PIECE_BYTES = 1 << 16


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
        """The kernel's log from its beginning: live while it runs, stored afterwards. Ends when it is complete.

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
                for event in live_events(response.iter_lines(chunk_size=1)):
                    yield event
                    if (self._connection.now() - began).total_seconds() > most_s:
                        return
            else:
                for line in lines_of_log(response.content.decode("utf-8", "replace")):
                    yield {"data": line + "\n"}

    @contextmanager
    def download(self, url: str, offset: int) -> Iterator[tuple[bool, Iterator[bytes]]]:
        """The bytes behind a signed address, from an offset on.

        Yields:
            Whether the service honoured the offset, and the bytes.

        Raises:
            ServiceFault: It failed; an expired address answers 403 and needs a new listing.
        """
        # A separate session: a signed address needs no credentials, and its host must not receive ours.
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        with requests.Session() as session:
            session.auth = no_auth
            with self._streaming("download", session, url, headers) as response:
                yield response.status_code == requests.codes.partial, response.iter_content(_PIECE_BYTES)

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
