"""Accounts and their credentials: legacy keys, access tokens, refresh tokens."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from kagglesdk.security.types.oauth_service import IntrospectTokenResponse
from kagglesdk.users.types.account_service import GenerateAccessTokenResponse

from tests.emulator.wire import Refused

OPEN_METHODS = frozenset({"IntrospectToken", "GenerateAccessToken"})
"""Methods that need no authorization: a client calls them to log in."""


@dataclass
class Accounts:
    """Account name -> key, token -> account name, refresh token -> account name."""

    keys: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    refresh_tokens: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, *, key: str = "", token: str = "", refresh_token: str = "") -> None:
        """Open an account with one or more credentials."""
        if key:
            self.keys[name] = key
        if token:
            self.tokens[token] = name
        if refresh_token:
            self.refresh_tokens[refresh_token] = name

    def who(self, authorization: str) -> str:
        """Account of an Authorization header.

        Raises:
            Refused: It belongs to no account.
        """
        scheme, _, value = authorization.partition(" ")
        if scheme == "Basic":
            name, _, key = base64.b64decode(value).decode("utf-8").partition(":")
            if self.keys.get(name) == key:
                return name
        if scheme == "Bearer" and value in self.tokens:
            return self.tokens[value]
        raise Refused(401, "Unauthenticated")

    def introspect(self, request: Any) -> IntrospectTokenResponse:
        """The account of a token."""
        answer = IntrospectTokenResponse()
        answer.active = request.token in self.tokens
        answer.username = self.tokens.get(request.token, "")
        return answer

    def exchange(self, request: Any) -> GenerateAccessTokenResponse:
        """A new access token for a refresh token."""
        name = self.refresh_tokens.get(request.refresh_token)
        if name is None:
            raise Refused(401, "Invalid refresh token")
        token = f"access-for-{name}-{len(self.tokens)}"
        self.tokens[token] = name
        answer = GenerateAccessTokenResponse()
        answer.token, answer.expires_in = token, 3600
        return answer
