"""Finds what looks like a secret: the rules of detect-secrets, and rules that it lacks.

Only rules for the form of one service's secrets are used. The package's rules by keyword and by randomness match
digests, seeds and table entries in ordinary code.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any

_DETECTORS = {
    "aws": "AWSKeyDetector",
    "azure_storage_key": "AzureStorageKeyDetector",
    "basic_auth": "BasicAuthDetector",
    "discord": "DiscordBotTokenDetector",
    "github_token": "GitHubTokenDetector",
    "gitlab_token": "GitLabTokenDetector",
    "jwt": "JwtTokenDetector",
    "mailchimp": "MailchimpDetector",
    "npm": "NpmDetector",
    "openai": "OpenAIDetector",
    "private_key": "PrivateKeyDetector",
    "pypi_token": "PypiTokenDetector",
    "sendgrid": "SendGridDetector",
    "slack": "SlackDetector",
    "square_oauth": "SquareOAuthDetector",
    "stripe": "StripeDetector",
    "telegram_token": "TelegramBotTokenDetector",
    "twilio": "TwilioKeyDetector",
}
"""Module of `detect_secrets.plugins` -> class."""

_NAMED = (
    r"\b(?:KAGGLE_KEY|KAGGLE_API_TOKEN|WANDB_API_KEY|COMET_API_KEY|NEPTUNE_API_TOKEN|HF_TOKEN|HUGGING_FACE_HUB_TOKEN"
    r"|GITHUB_TOKEN|GH_TOKEN|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|OPENAI_API_KEY|MLFLOW_TRACKING_PASSWORD)"
    r"\b[\"'\]\s]*[:=,]\s*[rbuf]?[\"']?(?=[A-Za-z_\-+/=.]*[0-9])[A-Za-z0-9_\-+/=.]{16,}"
)
_OWN: Mapping[str, tuple[tuple[str, ...], re.Pattern[str]]] = {
    "Kaggle API token": (("kgat_",), re.compile(r"\bKGAT_[0-9a-f]{16,}", re.IGNORECASE)),
    "Kaggle key": (
        ("key",),
        re.compile(
            r"[\"']key[\"']\s*:\s*[\"'][0-9a-f]{32}[\"']|kaggle\w*key\w*[\"'\]\s]*[:=]\s*[\"']?[0-9a-f]{32}\b",
            re.IGNORECASE,
        ),
    ),
    "Hugging Face token": (("hf_", "api_org_"), re.compile(r"\b(?:hf|api_org)_[A-Za-z0-9]{30,}")),
    "GitHub token": (("github_pat_",), re.compile(r"\bgithub_pat_[A-Za-z0-9_]{22,}")),
    "Weights & Biases key": (
        ("wandb", "biases"),
        re.compile(
            r"(?i:wandb|weights.{0,8}biases)[^\n]{0,60}?(?<![0-9a-fA-F])[0-9a-f]{40}(?![0-9a-fA-F])|\bwandb_v1_\w{20,}"
        ),
    ),
    "OpenAI or Anthropic key": (
        ("sk-",),
        re.compile(r"\bsk-(?:proj-|ant-|svcacct-|admin-)?[A-Za-z0-9_\-]*[A-Za-z0-9]{32,}"),
    ),
    "Google API key": (("aiza",), re.compile(r"\bAIza[0-9A-Za-z_\-]{35}\b")),
    "AWS secret key": (
        ("aws",),
        re.compile(r"(?i:aws_?secret\w*)[\"'\]\s]*[:=]\s*[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])"),
    ),
    "Slack token": (("xox",), re.compile(r"\bxox[abeprs]-[A-Za-z0-9\-]{10,}", re.IGNORECASE)),
    "Neptune API token": (("eyjhcglfywrkcmvzcyi6",), re.compile(r"eyJhcGlfYWRkcmVzcyI6[A-Za-z0-9+/=]{40,}")),
    "private key": (("private key",), re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")),
    "key or token under its usual name": (("key", "token", "password"), re.compile(_NAMED)),
}
"""Kind -> lower-case words, one of which the text must contain (a quick test), and the pattern.

detect-secrets 1.5 has no rule for Kaggle, Hugging Face, Weights & Biases, the newer tokens of GitHub and OpenAI,
encrypted private keys, or values without quotes.
"""

_ALLOWED = re.compile(r"pragma:\s?(?:allow|white)list[ -]secret\b")
"""The marker that detect-secrets documents, in a comment of any language."""


def rule_findings(text: str) -> Iterator[tuple[int, str]]:
    """Line number and kind of everything that looks like a secret; skips lines with `pragma: allowlist secret`."""
    lines: list[str] = []
    reported = set[int]()
    for kind, find in _rules(text.lower()):
        if hits := {_last_line(hit) for hit in find(text)}:
            lines = lines or text.split("\n")
            holding = [number for number, line in enumerate(lines, start=1) if any(hit in line for hit in hits)]
            # A short password may be in other lines too; of a match over two lines, the last one counts.
            exact = [number for number in holding if any(find(lines[number - 1]))]
            for number in exact or holding:
                if number not in reported and not _ALLOWED.search(lines[number - 1]):
                    reported.add(number)
                    yield number, f"what looks like a {kind}"


def _rules(lowered: str) -> Iterator[tuple[str, Callable[[str], list[str]]]]:
    """Kind and search function of each rule; own rules only if one of their words is in the text."""
    for kind, (words, form) in _OWN.items():
        if any(word in lowered for word in words):
            yield kind, partial(_matches, form)
    for detector in _detectors():
        yield detector.secret_type, partial(_detected, detector)


def _matches(form: re.Pattern[str], text: str) -> list[str]:
    return [match[0] for match in form.finditer(text)]


def _detected(detector: Any, text: str) -> list[str]:
    return [hit for hit in detector.analyze_string(text) if _is_real(hit)]


def _last_line(match: str) -> str:
    return match.rstrip("\n").rpartition("\n")[2]


def _is_real(hit: str) -> bool:
    """Whether it is more than a placeholder such as `{password}`, `<token>` or `$PASSWORD`."""
    heuristic = importlib.import_module("detect_secrets.filters.heuristic")
    return bool(hit) and not heuristic.is_templated_secret(hit) and not hit.startswith("$")


@lru_cache(maxsize=1)
def _detectors() -> tuple[Any, ...]:
    # Imported late: it takes a tenth of a second, mostly for an HTTP library. The rules are used one by one, because
    # the package's own scan would also ask the services whether a secret is valid.
    found = (
        getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)
        for module, name in _DETECTORS.items()
    )
    return tuple(detector() for detector in found)
