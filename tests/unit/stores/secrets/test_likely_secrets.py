"""The rules find the tokens of known services in every kind of file, and nothing in ordinary code and data."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import json
import random
import re
import struct
import time
import zlib
from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.stores.secrets.outgoing import Gate
from orchestrator.stores.secrets.patterns import DETECTORS
from orchestrator.stores.secrets.rules import hits_of, masking, rule_findings

HEX32 = "9f1c07d2b3a84e65" + "a0c4d8e2f6b1937c"
MIXED = "aB3dE5fG7hJ9kL2mN4pQ6rS8tU1vW3xY5z"

TOKENS = {
    "Kaggle token": "KGAT_" + HEX32,
    "Kaggle token, upper case": "KGAT_" + HEX32.upper(),
    "Hugging Face": "hf_" + MIXED,
    "GitHub": "ghp_" + "a1B2" * 9,
    "GitHub, fine-grained": "github_pat_" + "a1B2_" * 12,
    "GitHub, action": "ghs_" + "Z9y8" * 9,
    "AWS key id": "AKIA" + "IOSFODNN7" + "EXAMPLE",
    "AWS, temporary": "ASIA" + "IOSFODNN7" + "EXAMPLE",
    "W&B, new": "wandb_v1_" + MIXED,
    "OpenAI": "sk-" + MIXED + "aB3dE5fG7hJ9kL",
    "OpenAI, project": "sk-proj-" + "aB3d" * 12,
    "Anthropic": "sk-ant-api03-" + MIXED * 2,
    "Slack": "xoxb-" + "123456789012-123456789012-abcDEF123",
    "Slack, app": "xapp-1-" + "A0123456789-1234567890123-abcdef0123",
    "Slack webhook": "https://hooks.slack.com/services/" + "T0AB12CD3/B0EF34GH5/abcDEF123456abcDEF123456",
    "Discord webhook": "https://discord.com/api/webhooks/" + "123456789012345678/" + MIXED * 2,
    "Google": "AIza" + "aB3d5" * 7,
    "Google OAuth": "GOCSPX-" + "aB3dE5fG7hJ9" * 2 + "aB3d",
    "GitLab": "glpat-" + "aB3d5" * 4,
    "PyPI": "pypi-" + "AgEIcHlwaS5vcmc" + MIXED * 3,
    "npm": "//registry.npmjs.org/:_authToken=" + "npm_" + MIXED,
    "SendGrid": "SG." + "aB3dE5fG7hJ9kL2mN4pQ6r" + "." + MIXED + "aB3dE5fG7",
    "Stripe": "sk_live_" + "aB3dE5fG7hJ9kL2mN4pQ6rS8",
    "Telegram": "123456789:" + "AA" + MIXED[:33],
    "Twilio": "SK" + HEX32,
    "Square": "sq0csp-" + "aB3dE5fG7" * 4 + "aB3dE5f",
    "Mailchimp": HEX32 + "-us12",
    "Azure": "AccountKey=" + "aB3d" * 21 + "aB==",
    "JWT": "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJlLW9mLWl0",
    "Groq": "gsk_" + "aB3dE5fG7h" * 5,
    "Replicate": "r8_" + MIXED + "aB3",
    "Databricks": "dapi" + HEX32,
    "Docker": "dckr_pat_" + MIXED,
    "DigitalOcean": "dop_v1_" + HEX32 * 2,
    "password in an address": "https://ana:" + "hunter22x@example.org/simple",
    "OpenAI, old": "sk-" + "aB3dE5fG7hJ9kL2mN4pQ" + "T3BlbkFJ" + "aB3dE5fG7hJ9kL2mN4pQ",
    "Discord bot": "M" + "aB3dE5fG7hJ9kL2mN4pQ6rS" + ".aB3dE5." + "aB3dE5fG7hJ9kL2mN4pQ6rS8tU1",
}
NAMED = {
    "KAGGLE_KEY": HEX32,
    "WANDB_API_KEY": HEX32 + HEX32[:8],
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY",
    "OPENAI_API_KEY": MIXED,
    "HF_TOKEN": MIXED,
    "SMTP_PASSWORD": "correct-horse-42-battery",
}
"""Secrets whose form says nothing: they are known by their names."""
FILES = {
    "double quotes": '{name} = "{value}"\n',
    "single quotes": "{name} = '{value}'\n",
    ".env": "{name}={value}\n",
    "shell": "export {name}={value}\n",
    "Windows": "setx {name} {value}\n",
    "PowerShell": '$env:{name} = "{value}"\n',
    "ini": "[kaggle]\n{name} = {value}\n",
    "toml": "[kaggle]\n{name} = '{value}'\n",
    "yaml": "kaggle:\n  {name}: {value}\n",
    "yaml list": "- name: {name}\n  value: {value}\n",
    "json": '{{"{name}": "{value}"}}\n',
    "json list": '[{{"name": "{name}", "value": "{value}"}}]\n',
    "xml": "<{name}>{value}</{name}>\n",
    "xml attributes": '<add key="{name}" value="{value}"/>\n',
    "python": "os.environ['{name}'] = '{value}'\n",
    "python call": 'os.environ.setdefault("{name}", "{value}")\n',
    "notebook": '{{"cells": [{{"source": ["%env {name}={value}\\n", "x = 1"]}}]}}\n',
    "notebook, quoted": '{{"cells": [{{"source": ["os.environ[\\"{name}\\"] = \\"{value}\\"\\n"]}}]}}\n',
    "one line of a notebook": '{{"source": "import os\\n{name}={value}\\nx = 1"}}\n',
}


@pytest.mark.parametrize("service", TOKENS)
@pytest.mark.parametrize("form", ["x = '{0}'", "{0}", '{{"a": "b\\n{0}\\n"}}', "t: {0} # comment", "<a>{0}</a>"])
def test_a_token_is_found_by_its_form(service: str, form: str) -> None:
    assert [line for line, _, _ in rule_findings("first\n" + form.format(TOKENS[service]))][:1] == [2]


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("form", FILES)
def test_a_secret_is_found_by_its_name(name: str, form: str) -> None:
    assert list(rule_findings(FILES[form].format(name=name, value=NAMED[name])))


def test_kaggle_json_is_found_with_either_quotes() -> None:
    for text in (f'{{"username":"ana","key":"{HEX32}"}}', f"{{'username': 'ana', 'key': '{HEX32}'}}"):
        assert list(rule_findings(text))
        assert list(rule_findings(json.dumps({"source": [text]})))


@pytest.mark.parametrize(
    "form",
    [
        "username: ana\nkey: {0}\n",
        "[kaggle]\nusername = ana\nkey = {0}\n",
        "[kaggle]\nkey = '{0}'\n",
        "kaggle:\n  user: ana\n  api_key: {0}\n",
        "username=ana\nkey={0}\n",
        "client = KaggleClient(username='ana', password='{0}')\n",
        'kaggle.api.set_config_value("key", "{0}")\n',
        "# my kaggle: '{0}'\n",
        "kaggle_api_key = {0}\n",
        'KAGGLE = {{"u": "ana", "k": "{0}"}}\n',
    ],
)
def test_a_kaggle_key_is_found_beside_its_account_or_service(form: str) -> None:
    assert list(rule_findings(form.format(HEX32)))
    assert not list(rule_findings(form.format(HEX32 * 2)))  # a digest


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED "])
def test_a_private_key_is_found(kind: str) -> None:
    assert list(rule_findings(f"-----BEGIN {kind}" + "PRIVATE KEY-----\nMIIE"))
    assert list(rule_findings("PuTTY-User-" + "Key-File-3: ssh-ed25519"))


def test_every_detector_of_the_scanner_is_reached() -> None:
    examples = [*TOKENS.values(), "BEGIN RSA " + "PRIVATE KEY"]
    for module, (name, _, _) in DETECTORS.items():
        detector = getattr(importlib.import_module(f"detect_secrets.plugins.{module}"), name)()
        own = [text for text in examples if list(detector.analyze_string(text))]
        assert own, module
        for text in own:
            assert detector.secret_type in {kind for kind, _ in hits_of(text)}


def test_a_secret_in_a_very_long_line_is_found_with_its_line() -> None:
    for service in ("Hugging Face", "GitHub", "JWT", "password in an address"):
        for before in (0, 1010, 1020, 2050, 99_000):
            text = f"a\n{'x ' * before}{TOKENS[service]} {'y ' * 6000}\nb"
            assert {line for line, _, _ in rule_findings(text)} == {2}
            assert TOKENS[service].rpartition("@")[0][-9:] not in masking([])(text) or "@" not in TOKENS[service]
        assert not list(rule_findings(f"a\n{'x ' * 9000}{TOKENS[service]} # pragma: allowlist secret"))


@pytest.mark.parametrize(
    "piece", ["eyJ", "sk-", "glab-", "://a:", "&token", "_TOKEN=", "PRIVATE KEY", "kaggle", "AKIA", "a.bcdefg."]
)
def test_no_line_takes_long(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    began = time.process_time()
    list(rule_findings(text))
    masking([])(text)
    assert time.process_time() - began < 5


def picture() -> bytes:
    """A PNG of noise."""
    noise = random.Random(5).randbytes(60_000)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 99, 200, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(noise)) + chunk(b"IEND", b"")


def ordinary() -> dict[str, bytes]:
    """Content that is full of random characters and holds no secret."""
    drawn = random.Random(7)
    digests = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(2000)]
    shorter = [hashlib.md5(str(number).encode()).hexdigest() for number in range(2000)]
    pixels = base64.b64encode(picture()).decode()
    return {
        "digests.txt": "\n".join([*digests, *shorter, *(one.upper() for one in digests)]).encode(),
        "card.json": json.dumps({"sha256": digests, "keys": shorter, "key_digest": digests[0], "seed": 123}).encode(),
        "picture.png": picture(),
        "picture.ipynb": json.dumps({"cells": [{"outputs": [{"data": {"image/png": pixels}}]}]}).encode(),
        "numbers.bin": drawn.randbytes(2_000_000),
        "floats.bin": struct.pack("<50000d", *(drawn.gauss(0, 1) for _ in range(50_000))),
        "seeds.csv": "\n".join(f"{drawn.getrandbits(64)},{drawn.random()}" for _ in range(5000)).encode(),
        "uuids.txt": "\n".join(f"{drawn.getrandbits(32):08x}-4a5b-8c7d-9e0f-112233445566" for _ in range(999)).encode(),
        "requirements.txt": f"wandb @ git+https://github.com/wandb/wandb@{shorter[0]}{shorter[1][:8]}\n"
        f"numpy==2.1.0 --hash=sha256:{digests[0]}\n".encode(),
        "code.py": b"""
KEY = os.environ["KAGGLE_KEY"]
token = UserSecretsClient().get_secret("WANDB_API_KEY")
hf_token = config.hub.tokens.first_of_the_2_tokens
GITHUB_TOKEN = secrets.GITHUB_TOKEN_OF_THE_1_ACCOUNT
HF_TOKEN: str = settings.read("hub-token-v2")
max_tokens, key_size_bits, tokenizer = 4096, 256, "bert-base-uncased-v2"
url = "https://user:{password}@example.org"; proxy = "http://proxy.example.org:3128"
password = getpass.getpass("Password: ")
image = "gcr.io/kaggle-gpu-images/python@sha256:""" + digests[1].encode() + b""""
run = "arz-validation-section-7-6-""" + shorter[2][:8].encode() + b"""-s01"
os.environ["KAGGLE_KEY"] = read_secret("kaggle")
""",
    }  # fmt: skip


def test_ordinary_content_is_no_false_alarm() -> None:
    for name, content in ordinary().items():
        Gate(lambda: ()).check_code({name: content}, name)


def false_alarms(folders: list[Path], suffixes: str) -> tuple[int, int, list[str]]:
    """Files and bytes searched, and what was found."""
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if re.search(suffixes, path.name)]
    files = [path for path in files if path.is_file()]
    found, size_bytes = [], 0
    for path in files:
        content = path.read_bytes()
        size_bytes += len(content)
        try:
            Gate(lambda: ()).check_code({path.as_posix(): content}, path.as_posix())
        except BadInput as fault:
            found.append(str(fault))
    return len(files), size_bytes, found


def test_this_repository_has_no_false_alarm_outside_of_the_tests(project_root: Path) -> None:
    folders = ("configs", "docs", "kernel_templates", ".github")
    _, _, found = false_alarms([project_root / one for one in folders], r"\.(md|ya?ml|j2|svg)$")
    assert found == []


@pytest.mark.prove
def test_libraries_and_this_repository_have_no_false_alarm(project_root: Path) -> None:
    specs = [importlib.util.find_spec(name) for name in ("stable_baselines3", "sb3_contrib", "gymnasium", "optuna")]
    libraries = [Path(str(spec.origin)).parent for spec in specs if spec is not None]
    own = [project_root / name for name in ("orchestrator", "validation_ch7", "kernel_templates", "configs", "docs")]
    files, size_bytes, found = false_alarms([*libraries, *own], r"")
    print(f"{files} files, {size_bytes / 1e6:.1f} MB")
    assert files > 1000 and size_bytes > 10_000_000
    assert found == []
