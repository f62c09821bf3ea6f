"""Signs in: from the credentials on this computer to an authenticated connection and the account's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from orchestrator.backends.kaggle.client.connection import Connection, request_of
from orchestrator.backends.kaggle.client.credentials import CredentialForm, Credentials, no_credentials
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.retry import Retry

_REFUSED = frozenset({400, 401, 403, 404})


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account and its authenticated connection."""

    name: str
    credentials: Credentials
    connection: Connection


def sign_in(found: Sequence[Credentials], *, now: Callable[[], datetime], retry: Retry) -> Account:
    """Use the first credential that the service accepts, in the official client's order.

    Args:
        found: Credentials in order of preference.

    Raises:
        RemoteUnavailable: There is none, none is accepted, or the service cannot be reached.
    """
    if not found:
        raise no_credentials()
    refused: list[str] = []
    for credentials in found:
        account = _try(credentials, now, retry)
        if account is not None:
            return account
        refused.append(f"{credentials.form} of {credentials.source}")
    fault = no_credentials()
    fault.args = (f"Kaggle does not accept the {' nor the '.join(refused)}",)
    raise fault


def _try(credentials: Credentials, now: Callable[[], datetime], retry: Retry) -> Account | None:
    if credentials.form is CredentialForm.LEGACY_KEY:
        # The service has no cheap check for a key: a wrong one fails at the first real request.
        name = str(credentials.username)
        return Account(name=name, credentials=credentials, connection=Connection(credentials, now=now))
    renew = None
    try:
        if credentials.form is CredentialForm.OAUTH:
            login = credentials
            credentials = _exchanged(login, now, retry)

            def renew() -> str:
                return _exchanged(login, now, retry).secret

        connection = Connection(credentials, now=now, renew=renew)
        name = _introspected(connection, credentials.secret, retry) or ""
    except ServiceFault as fault:
        if fault.status in _REFUSED:
            return None
        raise
    return Account(name=name, credentials=credentials, connection=connection) if name else None


def _introspected(connection: Connection, token: str, retry: Retry) -> str | None:
    """Account name of an active token."""
    from kagglesdk.security.types.oauth_service import IntrospectTokenRequest

    request = request_of(IntrospectTokenRequest, token=token)
    client = connection.client.security.oauth_client
    answer = retry(lambda: connection.ask("sign in", lambda: client.introspect_token(request)))
    return str(answer.username) if answer.active and answer.username else None


def _exchanged(credentials: Credentials, now: Callable[[], datetime], retry: Retry) -> Credentials:
    """An access token for the refresh token of `kaggle auth login`; kept in memory only, no file is changed."""
    from kagglesdk.users.types.account_service import ApiVersion, GenerateAccessTokenRequest

    connection = Connection(None, now=now)
    request = request_of(
        GenerateAccessTokenRequest, refresh_token=credentials.secret, api_version=ApiVersion.API_VERSION_V1
    )
    client = connection.client.users.account_client
    answer = retry(lambda: connection.ask("sign in", lambda: client.generate_access_token(request)))
    return replace(credentials, secret=str(answer.token))
