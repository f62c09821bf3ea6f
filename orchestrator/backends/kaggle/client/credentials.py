"""Finds Kaggle credentials: every form that the official client knows, in its order, without importing it.

`import kaggle` signs in during the import, over the network, without a time limit, and may exit the process;
`kagglesdk` below it does nothing until it is called. So only `kagglesdk` is used, and this module looks where
`KaggleApi.authenticate` (kaggle 2.2.5) does: access token, then legacy key, then OAuth login.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from orchestrator.core.errors import RemoteUnavailable
from orchestrator.kernel.reading.json_text import Unreadable, read_bounded, read_json
from orchestrator.kernel.reading.shapes import TEXT, fields, optional, require

REMEDY = (
    "Create an API token on https://www.kaggle.com/settings and save it as ~/.kaggle/access_token, "
    "or set KAGGLE_API_TOKEN; the older kaggle.json and `kaggle auth login` work too."
)


_MOST_BYTES = 1 << 20
_STORED = fields({}, dict.fromkeys(("username", "key", "refresh_token"), optional(TEXT)), others=True)


class CredentialForm(StrEnum):
    """Kind of a credential."""

    ACCESS_TOKEN = "access token"
    LEGACY_KEY = "legacy key"
    OAUTH = "OAuth login"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """One credential. Printing it does not show the secret.

    Attributes:
        source: Where it was found, for messages.
        username: Account name; None for an access token, whose account only the service knows.
        secret: The token or the key.
    """

    form: CredentialForm
    source: str
    username: str | None
    secret: str = field(repr=False)


def home_folder() -> Path:
    """The user's home folder; where there is none, a folder that does not exist either."""
    try:
        return Path.home()
    except RuntimeError:
        return Path(os.sep) / "no-home-folder"


def config_folder(environ: Mapping[str, str], home: Path) -> Path:
    """Folder of `kaggle.json`: that of KAGGLE_CONFIG_DIR, `~/.kaggle`, or the XDG folder on Linux."""
    named = environ.get("KAGGLE_CONFIG_DIR")
    if named:
        return Path(named)
    classic = home / ".kaggle"
    if sys.platform.startswith("linux") and not classic.exists():
        return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "kaggle"
    return classic


def candidates(environ: Mapping[str, str] = os.environ, home: Path | None = None) -> list[Credentials]:
    """Every credential on this computer, in the order in which the official client would try them."""
    home = home or home_folder()
    found = [_access_token(environ, home), _legacy_key(environ, config_folder(environ, home)), _oauth(home)]
    return [credentials for credentials in found if credentials is not None]


def no_credentials() -> RemoteUnavailable:
    """The error for a computer without credentials."""
    return RemoteUnavailable("no Kaggle credentials on this computer", remedy=REMEDY)


def _access_token(environ: Mapping[str, str], home: Path) -> Credentials | None:
    value = environ.get("KAGGLE_API_TOKEN", "").strip()
    if value:
        path = Path(value)
        try:
            from_file = path.is_file()
        except (OSError, ValueError):
            from_file = False  # a token may be too long for a path, or hold characters that no path can
        secret = _text(path) if from_file else value
        if secret:
            return Credentials(
                form=CredentialForm.ACCESS_TOKEN, source="KAGGLE_API_TOKEN", username=None, secret=secret
            )
    for name in ("access_token", "access_token.txt"):
        secret = _text(home / ".kaggle" / name)
        if secret:
            return Credentials(
                form=CredentialForm.ACCESS_TOKEN, source=f"~/.kaggle/{name}", username=None, secret=secret
            )
    return None


def _legacy_key(environ: Mapping[str, str], folder: Path) -> Credentials | None:
    stored = _json(folder / "kaggle.json")
    username = environ.get("KAGGLE_USERNAME") or stored.get("username")
    key = environ.get("KAGGLE_KEY") or stored.get("key")
    if not username or not key:
        return None
    source = "KAGGLE_USERNAME and KAGGLE_KEY" if environ.get("KAGGLE_KEY") else str(folder / "kaggle.json")
    return Credentials(form=CredentialForm.LEGACY_KEY, source=source, username=str(username), secret=str(key))


def _oauth(home: Path) -> Credentials | None:
    stored = _json(home / ".kaggle" / "credentials.json")
    refresh_token = stored.get("refresh_token")
    if not refresh_token:
        return None
    return Credentials(
        form=CredentialForm.OAUTH,
        source="~/.kaggle/credentials.json",
        username=stored.get("username") or None,
        secret=str(refresh_token),
    )


def _text(path: Path) -> str:
    try:
        return read_bounded(path, _MOST_BYTES).decode("utf-8-sig", "replace").strip()
    except Unreadable:
        return ""


def _json(path: Path) -> dict[str, Any]:
    text = _text(path)
    if not text:
        return {}
    try:
        plain = read_json(text, str(path))
        require(_STORED, plain, str(path))
    except Unreadable as fault:
        raise RemoteUnavailable(str(fault), remedy=REMEDY) from fault
    return dict(plain)
