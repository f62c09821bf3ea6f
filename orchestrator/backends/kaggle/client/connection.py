"""The connection to Kaggle: the official SDK's client with our credentials and a time limit on every request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter

from orchestrator.backends.kaggle.client.credentials import CredentialForm, Credentials
from orchestrator.backends.kaggle.client.errors import ServiceFault, http_date, retry_after_s
from orchestrator.core.secret_search import SecretValue, masked
from orchestrator.kernel.reading.json_text import Unreadable, read_json, shown

CONNECT_S = 15.0
READ_S = 60.0
"""Longest silence of the service in seconds. The SDK sets no limit, so a dead connection would never end."""
MOST_ANSWER_BYTES = 128 << 20
"""Far above any answer of the API; the largest is the listing of outputs, which holds the log."""

_MOST_MESSAGE_CHARS = 2_000

Answer = TypeVar("Answer")


class AnswerTooLarge(requests.RequestException):
    """An answer exceeded `MOST_ANSWER_BYTES`."""


class BoundedAdapter(HTTPAdapter):
    """Gives a time limit to every request that has none, and a size limit to every answer that is read as a whole."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send with a time limit, and read the answer up to the size limit.

        Raises:
            AnswerTooLarge: The answer goes on after the limit.
        """
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = (CONNECT_S, READ_S)
        response = super().send(request, *args, **kwargs)
        if not kwargs.get("stream") or response.is_redirect or _is_json(response):  # which the SDK reads as a whole
            response._content = read_body(response, MOST_ANSWER_BYTES)
        return response


def _is_json(response: requests.Response) -> bool:
    return "application/json" in (response.headers.get("Content-Type") or "")


def read_body(response: requests.Response, most_bytes: int) -> bytes:
    """The whole body of an answer.

    Raises:
        AnswerTooLarge: It has more bytes than `most_bytes`.
    """
    body = bytearray()
    for piece in response.iter_content(1 << 16):
        body += piece
        if len(body) > most_bytes:
            response.close()
            raise AnswerTooLarge(response=response)
    return bytes(body)


def bounded(session: requests.Session) -> requests.Session:
    """Put limits on a session. Certificates are always checked, and no password is taken out of ~/.netrc."""

    def rebuild_auth(prepared: requests.PreparedRequest, response: requests.Response) -> None:
        """After a redirect: no credentials for another host. requests would also look into ~/.netrc there."""
        strips: Callable[[str, str], bool] = session.should_strip_auth
        if strips(str(response.request.url), str(prepared.url)):
            prepared.headers.pop("Authorization", None)

    session.rebuild_auth = rebuild_auth  # type: ignore[method-assign]  # of this session alone
    for scheme in ("https://", "http://"):
        session.mount(scheme, BoundedAdapter())
    return session


class BearerAuth(requests.auth.AuthBase):
    """An access token in the Authorization header (RFC 6750)."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class Connection:
    """One account's connection.

    Args:
        credentials: None for the exchange of an OAuth refresh token, which needs no other credential.
        now: Returns aware UTC time; used for `Retry-After` dates and the clock skew.
        renew: Returns a new access token when the present one has expired; one of an OAuth login lasts about an hour.

    Attributes:
        client: `kagglesdk.KaggleClient`; honours `KAGGLE_API_ENVIRONMENT`.
        session: Its HTTP session, signed.
        now: The clock that it was given.
        clock_skew_s: This computer's clock minus the service's, from the last answer; None before the first.
    """

    def __init__(
        self,
        credentials: Credentials | None,
        *,
        now: Callable[[], datetime],
        renew: Callable[[], str] | None = None,
    ) -> None:
        # Imported late: it takes half a second, which `--help` and the local backend must not spend.
        from kagglesdk import KaggleClient

        self.now = now
        self._renew = renew
        self._secret = "" if credentials is None else credentials.secret
        self.clock_skew_s: float | None = None
        self.client: Any = KaggleClient(user_agent="orchestrator", response_processor=self._look_at)
        http = self.client.http_client()
        # The SDK creates its session at the first call and takes neither limits nor our choice among several
        # credentials; `_init_session` is what its `with` statement calls.
        http._init_session()
        self.session: requests.Session = bounded(http._session)
        self.session.auth = _auth(credentials)
        self.endpoint: str = http._get_request_url("", "").rstrip("/")

    def _look_at(self, response: requests.Response) -> None:
        """Read the clock of an answer, and check its JSON before the SDK, whose reader has no limits.

        Raises:
            Unreadable: It is JSON beyond the limits.
        """
        if _is_json(response) and response.ok:
            read_json(response.content, "the answer", halves=True)
        date = http_date(response.headers.get("Date") or "")
        if date is not None:
            self.clock_skew_s = (self.now() - date).total_seconds()

    def ask(self, act: str, call: Callable[[], Answer]) -> Answer:
        """Make one call; repeat it once with a new token if the old one has expired.

        Args:
            act: What the call does, for messages.

        Raises:
            ServiceFault: The call failed, for whatever reason.
        """
        try:
            return self._ask_once(act, call)
        except ServiceFault as fault:
            if fault.status != 401 or self._renew is None:
                raise
        # The service checks the token before it does anything, so after a 401 even a push may be sent again.
        self._secret = self._renew()
        self.session.auth = BearerAuth(self._secret)
        return self._ask_once(act, call)

    def _ask_once(self, act: str, call: Callable[[], Answer]) -> Answer:
        try:
            answer = call()
            require_typed(answer)
            return answer
        except requests.HTTPError as fault:
            raise self.fault(act, fault.response, str(fault)) from None
        except requests.RequestException as fault:
            # Its text may hold the address, the proxy and their passwords, so only the type is reported.
            raise ServiceFault(act, status=None, message=type(fault).__name__) from None
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError) as fault:
            # What the SDK raises for a body that is not JSON, or is JSON of another shape than it expects.
            raise ServiceFault(act, status=None, message=f"unreadable answer ({type(fault).__name__})") from None

    def fault(self, act: str, response: requests.Response | None, message: str) -> ServiceFault:
        """The exception for an error answer, with the service's own message if it has one."""
        if response is None:
            return ServiceFault(act, status=None, message="no answer")
        status = response.status_code
        try:
            plain = read_json(response.text)
        except Unreadable:
            plain = None  # an HTML page of a proxy: its status is enough
        if isinstance(plain, dict):
            stated, code = plain.get("message"), plain.get("code")
            message = stated[:_MOST_MESSAGE_CHARS] if isinstance(stated, str) and stated else message
            status = code if isinstance(code, int) and 100 <= code < 600 and status < 400 else status
        else:
            message = response.reason or ""
        # The service may repeat the token; one of an OAuth login is in no file in which secrets are looked for.
        own = [SecretValue(name="the Kaggle credential", value=self._secret)] if self._secret else []
        return ServiceFault(
            act,
            status=status,
            message=masked(message, own),
            retry_after_s=retry_after_s(response.headers.get("Retry-After"), self.now()),
        )


def require_typed(answer: Any) -> None:
    """Check the types of an answer's fields, which the SDK takes as they come; items of lists are left out.

    Raises:
        TypeError: A field has another type than the SDK declares.
    """
    for field in getattr(answer, "_fields", ()):
        value, kind = getattr(answer, field.private_field_name), field.field_type
        if value is None or value == field.default_value:
            continue
        kind = _CONTAINERS.get(type(field.serializer).__name__, kind)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise TypeError(f"{field.field_name} is {shown(value)}")
        require_typed(value)


_CONTAINERS: Mapping[str, type] = {"ListSerializer": list, "MapSerializer": dict}


def request_of(kind: Callable[[], Any], **fields: Any) -> Any:
    """An SDK request with these fields; a field that is None keeps its default."""
    request = kind()
    for name, value in fields.items():
        if value is not None:
            setattr(request, name, value)
    return request


def no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """For signed addresses: sends no credentials, and keeps requests from taking any out of ~/.netrc."""
    return request


def _auth(credentials: Credentials | None) -> Any:
    if credentials is None:
        return no_auth
    if credentials.form is CredentialForm.LEGACY_KEY:
        return (str(credentials.username), credentials.secret)
    return BearerAuth(credentials.secret)
