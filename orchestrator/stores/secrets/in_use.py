"""Finds the secrets in use on this computer: in environment variables, and in the files of known clients."""

from __future__ import annotations

import netrc
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from orchestrator.core.secret_search import SHORTEST, SecretValue
from orchestrator.kernel.reading.json_text import Unreadable, read_json

_NAMES_OF_SECRETS = re.compile(
    r"TOKEN(?!I)|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|(API|ACCESS|PRIVATE|ACCOUNT|AUTH|SIGNING|ENCRYPTION)_?KEY"
    r"|WEBHOOK|(^|_)(KEY|PASS|PWD|PAT|DSN)$",
    re.IGNORECASE,
)
_WELL_KNOWN = frozenset(
    {
        *("KAGGLE_KEY", "KAGGLE_API_TOKEN", "WANDB_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN"),
        *("GITHUB_TOKEN", "GH_TOKEN", "GITLAB_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "COMET_API_KEY"),
        *("NEPTUNE_API_TOKEN", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "OPENAI_API_KEY"),
    }
)
_SHORTEST_UNKNOWN = 16
_WORDS = re.compile(r"[A-Za-z]{1,16}([-_. /:][A-Za-z]{1,16})*")
_PATH = re.compile(r"[/~]|\.{1,2}[/\\]|[A-Za-z]:[/\\]")

_WHOLE = re.compile(r"(\S+)")
_FILES: Mapping[str, re.Pattern[str]] = {
    ".kaggle/access_token": _WHOLE,
    ".kaggle/access_token.txt": _WHOLE,
    ".cache/huggingface/token": _WHOLE,
    ".huggingface/token": _WHOLE,
    ".cache/huggingface/stored_tokens": re.compile(r"hf_token\s*=\s*(\S+)"),
    ".aws/credentials": re.compile(r"aws_(?:secret_access_key|session_token)\s*=\s*(\S+)"),
    ".git-credentials": re.compile(r"://[^:/\s]*:([^@\s]+)@"),
    ".config/gh/hosts.yml": re.compile(r"oauth_token:\s*['\"]?([^'\"\s]+)"),
    ".comet.config": re.compile(r"api_key\s*=\s*(\S+)"),
    ".pypirc": re.compile(r"password\s*[=:]\s*(\S+)"),
}
"""File below the home folder -> pattern of the secrets in it."""


def secrets_in_use(environ: Mapping[str, str] = os.environ, home: Path | None = None) -> tuple[SecretValue, ...]:
    """Every secret on this computer, each value once. Unreadable files are skipped.

    Args:
        environ: Environment variables.
        home: Folder of the user's own files; the user's home by default.
    """
    home = home or _home()
    found: dict[str, str] = {}
    for name, value in (*_of_variables(environ), *(_of_files(environ, home) if home else ())):
        if len(value) >= SHORTEST:
            found.setdefault(value, name)
    return tuple(SecretValue(name=name, value=value) for value, name in found.items())


def webhook_secrets(name: str, address: str) -> tuple[SecretValue, ...]:
    """A webhook's address, and its secret part: path and query."""
    parts = urlsplit(address)
    behind = parts.path.strip("/") + (f"?{parts.query}" if parts.query else "")
    values = [address, *([behind] if _looks_random(behind, _SHORTEST_UNKNOWN) else ())]
    return tuple(SecretValue(name=name, value=value) for value in values if len(value) >= SHORTEST)


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # no home folder, so no files of the user
        return None


def _of_variables(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, given in environ.items():
        value = given.strip()
        if name.upper() in _WELL_KNOWN:
            # A word such as `disabled` instead of a key is not a secret, except in Kaggle's variables.
            if not _names_a_file(value) and (name.upper().startswith("KAGGLE") or not _WORDS.fullmatch(value)):
                yield name, value
        elif "WEBHOOK" in name.upper() and "://" in value:
            for secret in webhook_secrets(name, value):
                yield secret.name, secret.value
        elif _NAMES_OF_SECRETS.search(name) and "://" not in value and _looks_random(value, _SHORTEST_UNKNOWN):
            yield name, value
        if password := _password_in(value):
            yield name, password


def _looks_random(value: str, shortest: int) -> bool:
    """Whether a value is unlikely to be a word, a path or a sentence in ordinary code."""
    if len(value) < shortest or _WORDS.fullmatch(value) or _PATH.match(value) or any(sign.isspace() for sign in value):
        return False
    return len(set(value)) >= 6


def _password_in(value: str) -> str | None:
    """The password in an address such as that of a proxy or a database, None without one."""
    if "://" not in value or "@" not in value:
        return None
    try:
        password = urlsplit(value).password
    except ValueError:
        return None
    return unquote(password) if password and _looks_random(password, SHORTEST) else None


def _names_a_file(value: str) -> bool:
    """Whether a value is the path of a file, which the official Kaggle client accepts instead of a token."""
    try:
        return Path(value).is_file()
    except (OSError, ValueError):
        return False


def _of_files(environ: Mapping[str, str], home: Path) -> Iterator[tuple[str, str]]:
    for name, pattern in _FILES.items():
        for value in pattern.findall(_text(home / name)):
            yield f"~/{name}", value
    for variable in ("KAGGLE_API_TOKEN", "HF_TOKEN_PATH"):
        if (named := environ.get(variable, "").strip()) and _names_a_file(named):
            yield variable, _text(Path(named)).strip()
    for path in _kaggle_files(environ, home):
        for value in _values_of(_text(path)):
            yield str(path), value
    yield from _of_netrc(Path(environ["NETRC"]) if environ.get("NETRC") else home / ".netrc")
    yield from _of_netrc(home / "_netrc")


def _kaggle_files(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "kaggle"
    named = environ.get("KAGGLE_CONFIG_DIR")
    for folder in (*([Path(named)] if named else ()), home / ".kaggle", config):
        yield from (folder / "kaggle.json", folder / "credentials.json")


def _values_of(text: str) -> Iterator[str]:
    """Keys and tokens in a JSON object."""
    try:
        plain = read_json(text) if text else {}
    except Unreadable:
        return
    for name, value in plain.items() if isinstance(plain, dict) else ():
        if isinstance(value, str) and re.search(r"key|token|secret|password", name, re.IGNORECASE):
            yield value


def _of_netrc(path: Path) -> Iterator[tuple[str, str]]:
    try:
        entries = netrc.netrc(path).hosts if path.is_file() else {}
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return
    for host, (_, _, password) in entries.items():
        if password and _looks_random(password, SHORTEST):
            yield f"{path} ({host})", password


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace").strip()
    except (OSError, ValueError):
        return ""
