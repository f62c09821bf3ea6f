"""The forms of secrets: which rules of detect-secrets are used, and patterns for what it lacks.

Only rules for the form of one service's secrets are used. The package's rules by keyword and by randomness match
digests, seeds and table entries in ordinary code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

DETECTORS: Mapping[str, tuple[str, tuple[str, ...], re.Pattern[str] | None]] = {
    "aws": ("AWSKeyDetector", ("akia", "asia", "abia", "acca", "a3t", "aws"), None),
    "azure_storage_key": ("AzureStorageKeyDetector", ("accountkey=",), None),
    "basic_auth": ("BasicAuthDetector", ("://",), re.compile(r"://[^\s/@]{1,200}:[^\s@]{1,200}@")),
    "discord": ("DiscordBotTokenDetector", (".",), re.compile(r"\.[\w-]{6}\.[\w-]{27}")),
    "github_token": ("GitHubTokenDetector", ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), None),
    "gitlab_token": ("GitLabTokenDetector", ("gl", "gr1348941"), re.compile(r"gl[a-z]+-|GR1348941")),
    "jwt": ("JwtTokenDetector", ("eyj",), re.compile(r"eyJ[\w=-]{1,2000}\.")),
    "mailchimp": ("MailchimpDetector", ("-us",), re.compile(r"-us[0-9]")),
    "npm": ("NpmDetector", (":_authtoken=",), None),
    "openai": ("OpenAIDetector", ("t3blbkfj",), None),
    "private_key": ("PrivateKeyDetector", ("private key", "putty-user"), None),
    "pypi_token": ("PypiTokenDetector", ("pypi-ag",), None),
    "sendgrid": ("SendGridDetector", ("sg.",), re.compile(r"SG\.[\w-]{22}\.")),
    "slack": ("SlackDetector", ("xox", "hooks.slack"), None),
    "square_oauth": ("SquareOAuthDetector", ("sq0csp-",), None),
    "stripe": ("StripeDetector", ("k_live_",), None),
    "telegram_token": ("TelegramBotTokenDetector", (":",), re.compile(r":[\w-]{35}")),
    "twilio": ("TwilioKeyDetector", ("ac", "sk"), re.compile(r"(?:AC|SK)[a-z0-9]{32}")),
}
"""Module of `detect_secrets.plugins` -> class, and two quick tests of a text before the class is loaded and asked.

The tests: lower-case words, one of which it must contain, and a pattern that it must match.
"""

_START = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])|(?<=\nV))"
"""No word before it; the letter of an escape such as `\\n` in JSON is no word, nor the V before a serialized text."""
_NAMES = (
    r"(?:KAGGLE_(?:KEY|API_TOKEN|USER_SECRETS_TOKEN|DATA_PROXY_TOKEN)|WANDB_API_KEY|COMET_API_KEY|NEPTUNE_API_TOKEN"
    r"|CLEARML_API_SECRET_KEY|HF_(?:API_)?TOKEN|HUGGING_?FACE(?:_?HUB)?_(?:API_)?TOKEN|GITHUB_TOKEN|GH_TOKEN|GITLAB_TOKEN"
    r"|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|AZURE_(?:CLIENT_SECRET|STORAGE_KEY)|OPENAI_API_KEY|ANTHROPIC_API_KEY"
    r"|MLFLOW_TRACKING_(?:PASSWORD|TOKEN)|SLACK_(?:BOT_)?TOKEN|DISCORD_(?:BOT_)?TOKEN|TELEGRAM_BOT_TOKEN"
    r"|DATABRICKS_TOKEN|SMTP_PASSWORD)(?![A-Za-z0-9_])"
)
_MARKUP = r"[\"'\\\])}\s]*(?:[:=,>]|(?<=[\s\"'])(?=[A-Za-z0-9]))[\s\\(\[]*"
"""Between a name and its value: `=`, `: `, `', '`, `] = `, `>` of XML, or a blank as in `setx NAME VALUE`."""
_FIELD = r"(?:(?:[\"'\\]*,\s*)?[\"'\\]*(?:value|default)[\"'\\]*\s*[:=]\s*)?"
"""`"name": "KAGGLE_KEY", "value": "..."` and `<add key="KAGGLE_KEY" value="..."/>`."""
_QUOTED = r"[rbuf]?\\?[\"'](?=[^\"'\\\n]*[0-9])[A-Za-z0-9_\-+/=.]{16,}\\?[\"']"
_PLAIN = r"(?=(?:[A-Za-z_\-+/=]*[0-9]){2})[A-Za-z0-9_\-+/=]{16,}(?![A-Za-z0-9_\-+/=.(\[])"
"""A value without quotes: two digits at least, and nothing behind it that makes it an expression."""

OWN: Mapping[str, tuple[tuple[str, ...], re.Pattern[str]]] = {
    "Kaggle API token": (("kg",), re.compile(_START + r"KG[A-Z]T_[0-9A-Za-z]{16,}", re.IGNORECASE)),
    "Kaggle key": (
        ("key", "kaggle"),
        re.compile(
            r"\\?[\"']key\\?[\"']\s*:\s*\\?[\"'][0-9a-f]{32}\\?[\"']"
            r"|kaggle\w{0,30}key\w{0,30}" + _MARKUP + _FIELD + r"\\?[\"']?[0-9a-f]{32}(?![A-Za-z0-9])"
            r"|kaggle[^\n]{0,80}?\\?[\"'][0-9a-f]{32}\\?[\"']"
            r"|(?:kaggle[^\n]{0,40}\n|user_?name[\"']?\s*[:=][^\n]{1,60}\n)(?:[^\n]{0,80}\n){0,2}?"
            r"\s*[\"']?(?:api_?)?key[\"']?\s*[:=]\s*[\"']?[0-9a-f]{32}(?![A-Za-z0-9])",
            re.IGNORECASE,
        ),
    ),
    "Hugging Face token": (("hf_", "api_org_"), re.compile(_START + r"(?:hf|api_org)_[A-Za-z0-9]{30,}")),
    "GitHub token": (("github_pat_",), re.compile(r"github_pat_[A-Za-z0-9_]{22,}")),
    "Weights & Biases key": (
        ("wandb", "biases"),
        re.compile(
            r"(?i:wandb|weights.{0,8}biases)[^\n]{0,60}?(?<![0-9a-fA-F@])[0-9a-f]{40}(?![0-9a-fA-F])|wandb_v1_\w{20,}"
        ),
    ),
    "OpenAI or Anthropic key": (
        ("sk-",),
        re.compile(_START + r"sk-(?:proj-|ant-|svcacct-|admin-|or-)?[A-Za-z0-9_\-]{0,200}[A-Za-z0-9]{32,}"),
    ),
    "Groq key": (("gsk_",), re.compile(_START + r"gsk_[A-Za-z0-9]{40,}")),
    "Replicate token": (("r8_",), re.compile(_START + r"r8_[A-Za-z0-9]{37,}")),
    "Google API key": (("aiza",), re.compile(_START + r"AIza[0-9A-Za-z_\-]{35}(?![0-9A-Za-z_\-])")),
    "Google OAuth secret": (("gocspx-", "ya29."), re.compile(_START + r"(?:GOCSPX-[\w\-]{28}|ya29\.[\w\-]{30,})")),
    "AWS secret key": (
        ("aws", "secretaccesskey"),
        re.compile(
            r"(?i:aws_?secret\w*|secret_?access_?key)"
            + _MARKUP
            + _FIELD
            + r"\\?[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])"
        ),
    ),
    "Databricks token": (("dapi",), re.compile(_START + r"dapi[0-9a-f]{32}(?![0-9a-f])")),
    "Docker Hub token": (("dckr_pat_",), re.compile(r"dckr_pat_[A-Za-z0-9_\-]{20,}")),
    "DigitalOcean token": (("_v1_",), re.compile(r"do[opr]_v1_[0-9a-f]{64}")),
    "Slack token": (("xox",), re.compile(_START + r"xox[abeprs]-[A-Za-z0-9\-]{10,}", re.IGNORECASE)),
    "Slack app token": (("xapp-",), re.compile(_START + r"xapp-[0-9]-[A-Za-z0-9\-]{20,}", re.IGNORECASE)),
    "webhook": (
        ("/webhooks/", "webhook.office.com", "hooks.slack.com"),
        re.compile(
            r"discord(?:app)?\.com/api/(?:v\d+/)?webhooks/[0-9]{15,}/[\w\-]{40,}"
            r"|[\w\-]+\.webhook\.office\.com/webhookb2/[\w@/\-]{40,}"
            r"|hooks\.slack\.com/(?:services|workflows|triggers)/[\w/]{24,}",
            re.IGNORECASE,
        ),
    ),
    "Neptune API token": (("eyjhcglfywrkcmvzcyi6",), re.compile(r"eyJhcGlfYWRkcmVzcyI6[A-Za-z0-9+/=]{40,}")),
    "private key": (
        ("private key", "putty-user-key", "age-secret-key-"),
        re.compile(
            r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-[0-9]"
            r"|AGE-SECRET-KEY-1[A-Z0-9]{50,}"
        ),
    ),
    "key or token under its usual name": (
        ("key", "token", "password", "secret"),
        re.compile(_START + "(?i:" + _NAMES + ")" + _MARKUP + _FIELD + f"(?:{_QUOTED}|{_PLAIN})"),
    ),
}
"""Kind -> lower-case words, one of which the text must contain (a quick test), and the pattern.

detect-secrets 1.5 has no rule for Kaggle, Hugging Face, Weights & Biases, the newer tokens of GitHub and OpenAI,
encrypted private keys, or values without quotes.
"""

ALLOWED_LINE = re.compile(r"pragma:\s?(?:allow|white)list[ -]secret\b")
"""The marker that detect-secrets documents, in a comment of any language."""

_SIGNED_PART = r"[^=&\s\"']{0,60}(?:token|key|sig|signature|secret|passw(?:or)?d|credential|auth)"
SHOWN: Mapping[str, re.Pattern[str]] = {
    "JSON Web Token": re.compile(r"(?<![\w-])(?P<secret>eyJ[\w-]{10,}(?:\.[\w-]{10,}){1,2})"),
    "header": re.compile(
        r"(?i:(?:proxy-)?authorization|x-api-key|x-auth-token)[\"']?\s*[:=,]\s*[\"']?"
        r"(?P<secret>(?i:bearer|basic|digest|negotiate)\s+[^\s\"']{6,}|(?i:token\s+)?(?=[^\s\"']{0,200}[0-9])[^\s\"']{8,})"
    ),
    "cookie": re.compile(r"(?i:(?:set-)?cookie)[\"']?\s*:\s*[\"']?(?P<secret>[^\s=;\"']+=[^\n\"']{4,})"),
    "token": re.compile(r"(?i:\bbearer)\s+(?P<secret>[\w.~+/=\-]{16,})"),
    "part of an address": re.compile(rf"(?i:[?&]{_SIGNED_PART})=(?P<secret>[^&\s\"'<>]{{6,}})"),
    "password in an address": re.compile(r"://[^\s/:@]{0,100}:(?P<secret>[^\s/@]{3,200})@"),
    "secret of the environment": re.compile(
        r"(?i:\b\w{0,60}(?:TOKEN(?!I)|SECRET|PASSWD|PASSWORD|PASSPHRASE|CREDENTIAL|(?:API|ACCESS|PRIVATE|AUTH)_?KEY"
        r"|KAGGLE_KEY)\w{0,60})[\"']?\s*[:=]\s*[\"']?(?P<secret>"
        r"(?![/~.][\w.\-]{0,60}/[\w.\-]{1,60}/)"  # no path
        r"(?![\d.eE+\-]{1,40}(?:[\s\"',;]|$))"  # no number
        r"(?=[^\s\"',;]{0,60}[0-9])(?=[^\s\"',;]{0,60}[A-Za-z])[^\s\"',;()\[\]{}]{8,})"
    ),
}
"""Kind -> pattern whose group `secret` is hidden in what is shown. Too wide to refuse a push by them."""
