"""Finds the secrets in use on this computer: in environment variables, and in the files of known clients."""

from __future__ import annotations

import netrc
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from orchestrator.core.secret_forms import SHORTEST
from orchestrator.core.secret_search import NAMES_OF_SECRETS, SecretValue
from orchestrator.kernel.reading.json_text import Unreadable, read_json

_WELL_KNOWN = frozenset(
    {
        *("KAGGLE_KEY", "KAGGLE_API_TOKEN", "WANDB_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_TOKEN"),
        *("GITHUB_TOKEN", "GH_TOKEN", "GITLAB_TOKEN", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "COMET_API_KEY"),
        *("NEPTUNE_API_TOKEN", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "OPENAI_API_KEY", "SMTP_PASSWORD"),
    }
)
_SHORTEST_UNKNOWN = 16
_PASSWORD = re.compile(r"(PASS(W(OR)?D)?|PWD|PASSPHRASE)$", re.IGNORECASE)
_WORDS = re.compile(r"[A-Za-z]{1,16}([-_. /:][A-Za-z]{1,16})*")
_PATH = re.compile(r"[/~]|\.{1,2}[/\\]|[A-Za-z]:[/\\]")

_WHOLE = re.compile(r"(\S+)")
_IN_ADDRESS = re.compile(r"://[^:/\s]*:([^@\s]+)@")
_JSON_FIELD = re.compile(r'"[^"]*(?:key|token|secret|password)[^"]*"\s*:\s*"([^"\s]+)"', re.IGNORECASE)
_LINE_OF_A_KEY = re.compile(r"^[A-Za-z0-9+/=]{40,}$", re.MULTILINE)
_FILES: Mapping[str, re.Pattern[str]] = {
    ".kaggle/access_token": _WHOLE,
    ".kaggle/access_token.txt": _WHOLE,
    ".config/kaggle/access_token": _WHOLE,
    ".cache/huggingface/token": _WHOLE,
    ".huggingface/token": _WHOLE,
    ".cache/huggingface/stored_tokens": re.compile(r"hf_token\s*=\s*(\S+)"),
    ".aws/credentials": re.compile(r"aws_(?:secret_access_key|session_token)\s*=\s*(\S+)"),
    ".git-credentials": _IN_ADDRESS,
    ".gitconfig": _IN_ADDRESS,
    ".config/pip/pip.conf": _IN_ADDRESS,
    ".pip/pip.conf": _IN_ADDRESS,
    ".npmrc": re.compile(r"_(?:authToken|password|auth)\s*=\s*['\"]?([^'\"\s]+)"),
    ".docker/config.json": re.compile(r'"(?:auth|identitytoken)"\s*:\s*"([^"]+)"'),
    ".config/gcloud/application_default_credentials.json": re.compile(
        r'"(?:refresh_token|client_secret)"\s*:\s*"([^"]+)"'
    ),
    ".databrickscfg": re.compile(r"token\s*=\s*(\S+)"),
    ".vault-token": _WHOLE,
    ".pgpass": re.compile(r"^(?:[^:\n]*:){4}(.+)$", re.MULTILINE),
    ".my.cnf": re.compile(r"password\s*=\s*['\"]?([^'\"\s]+)"),
    ".s3cfg": re.compile(r"secret_key\s*=\s*(\S+)"),
    "clearml.conf": re.compile(r"secret_key\"?\s*[=:]\s*\"([^\"]+)\""),
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
    """A webhook's address, and its secret parts: path and query, and what is random in them."""
    parts = urlsplit(address)
    behind = parts.path.strip("/") + (f"?{parts.query}" if parts.query else "")
    inner = re.split(r"[/?&=]", behind) if "/" in behind or "?" in behind else []
    values = [address, *(one for one in (behind, *inner) if _looks_random(one, _SHORTEST_UNKNOWN))]
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
        elif "PRIVATE KEY-----" in value:
            yield from ((name, line) for line in _LINE_OF_A_KEY.findall(value.replace("\\n", "\n")))
        elif value.startswith("{"):
            yield from ((name, one) for one in _values_of(value) if _looks_random(one, _SHORTEST_UNKNOWN))
        elif "WEBHOOK" in name.upper() and "://" in value:
            for secret in webhook_secrets(name, value):
                yield secret.name, secret.value
        elif NAMES_OF_SECRETS.search(name) and "://" not in value and _looks_random(value, _shortest(name, value)):
            yield name, value
        if password := _password_in(value):
            yield name, password


def _shortest(name: str, value: str) -> int:
    """Least length of a secret: people choose passwords that are short, but hold digits."""
    chosen = _PASSWORD.search(name) and re.search(r"[0-9]", value) and re.search(r"[A-Za-z]", value)
    return SHORTEST if chosen else _SHORTEST_UNKNOWN


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
            if _looks_random(value, SHORTEST):  # a word would be found, and hidden, everywhere
                yield f"~/{name}", value
    for variable in ("KAGGLE_API_TOKEN", "HF_TOKEN_PATH"):
        if (named := environ.get(variable, "").strip()) and _names_a_file(named):
            yield variable, _text(Path(named)).strip()
    if folder := environ.get("KAGGLE_CONFIG_DIR"):
        yield from ((folder, value) for value in _WHOLE.findall(_text(Path(folder) / "access_token")))
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
    """Keys and tokens in a JSON object, also in a damaged one."""
    try:
        plain = read_json(text) if text else {}
    except Unreadable:
        yield from _JSON_FIELD.findall(text)
        return
    for name, value in plain.items() if isinstance(plain, dict) else ():
        if isinstance(value, str) and "PRIVATE KEY-----" in value:
            yield from _LINE_OF_A_KEY.findall(value)
        elif isinstance(value, str) and re.search(r"key|token|secret|password", name, re.IGNORECASE):
            yield value


def _of_netrc(path: Path) -> Iterator[tuple[str, str]]:
    try:
        entries = netrc.netrc(path).hosts if path.is_file() else {}
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        # One odd line; the passwords beside it are in use nevertheless.
        entries = {
            f"damaged, {number}": ("", "", found)
            for number, found in enumerate(re.findall(r"\bpassword\s+(\S+)", _text(path)))
        }
    for host, (_, account, password) in entries.items():
        for value in (account, password):
            if value and _looks_random(value, SHORTEST):
                yield f"{path} ({host})", value


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace").strip()
    except (OSError, ValueError):
        return ""
