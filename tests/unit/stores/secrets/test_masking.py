"""What is shown holds no secret: neither one in use, in any spelling, nor one that a session printed."""

from __future__ import annotations

import base64
import itertools
import time
from urllib.parse import quote

import pytest

from orchestrator.core.secret_search import SecretValue, masked_json
from orchestrator.stores.secrets.rules import LineMask, masking

KEY = "9f1c07d2b3a84e65" + "a0c4d8e2f6b1937c"
TOKEN = "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH"
IN_USE = [SecretValue(name="KAGGLE_KEY", value=KEY), SecretValue(name="SMTP_PASSWORD", value="p@ss wörd/42")]


@pytest.mark.parametrize(
    "spelling",
    [
        KEY,
        KEY.upper(),
        base64.b64encode(f"ana:{KEY}".encode()).decode(),
        KEY.encode().hex(),
        "p@ss wörd/42",
        quote("p@ss wörd/42"),
        quote("p@ss wörd/42", safe=""),
        "P@SS WÖRD/42",
        r"p@ss w\u00f6rd/42",
    ],
)
def test_a_secret_in_use_is_replaced_by_its_name(spelling: str) -> None:
    shown = masking(IN_USE)(f"before {spelling} behind")
    assert spelling not in shown and KEY[:9] not in shown and shown.startswith("before ")
    assert "[value of " in shown and shown.endswith(" behind")


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        (f"401 Client Error for url: https://h.example/api?token={KEY[:20]}zz&x=1", KEY[:20] + "zz"),
        ("GET /f?X-Goog-Signature=" + KEY[5:] + " HTTP/1.1", KEY[5:]),
        ("GET /f?sv=2020&sig=Ab%2Fc12345 failed", "Ab%2Fc12345"),
        ("{'Authorization': 'Bearer abc.def-12345678'}", "abc.def-12345678"),
        ("Authorization: Basic YW5hOnB3ZDEyMw==", "YW5hOnB3ZDEyMw=="),
        ("> authorization: token 0123abcd0123", "0123abcd0123"),
        ("Cookie: session=abc; csrf=def1234", "abc; csrf=def1234"),
        ("environ({'MY_API_TOKEN': 'zq81-secret-x', 'HOME': '/home/ana'})", "zq81-secret-x"),
        ("DB_PASSWORD=hunter2-hunter2", "hunter2-hunter2"),
        ("x " * 2000 + "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiJh" * 300 + "Wm9.c2lnbmF0dXJlLW9mLWl0", "eyJzdWIiOiJh" * 2),
        ("WANDB_API_KEY: 0a1b2c3d4e5f", "0a1b2c3d4e5f"),
        ("ProxyError: http://ana:s3cr3t@proxy:3128", "s3cr3t"),
        (f"wandb.errors: bad key {KEY}{KEY[:8]}", KEY + KEY[:8]),
        (f"OSError: token {TOKEN} is invalid", TOKEN),
        ("-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7\n-----END RSA " + "PRIVATE KEY-----", "MIIEpAIBAAKC"),
        (r'{"private_key": "-----BEGIN ' + r'PRIVATE KEY-----\nMIIEvQIBADAN\n"}', "MIIEvQIBADAN"),
    ],
)
def test_what_a_session_printed_is_hidden(text: str, secret: str) -> None:
    shown = masking([])(text)
    assert secret not in shown and "[hidden" in shown


@pytest.mark.parametrize(
    "text",
    [
        "[CHECKPOINT] Found 2 checkpoint(s) to restore:",
        "[CHECKPOINT] ✓ traffic_light_control_checkpoint_5000_steps.zip (15.3 MB)",
        "⚠️  INCOMPATIBILITY DETECTED: checkpoint=[64, 64], current=[128, 128]",
        "kaggle://ana/arz-validation-section-7-6-1a2b3c4d-s01, run 0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        "HTTP 403, Authorization: token expired, accept the rules first; cookie: none",
        "credentials: /home/ana2/.kaggle/kaggle.json, HF_TOKEN_PATH=~/.cache/huggingface2/token",
        "RuntimeError: KAGGLE_KEY is not set; set WANDB_API_KEY or password: required",
        "max_tokens=4096 tokens_per_second=1.25e+06 token_count: 12345678",
        f"sha256 {KEY}{KEY} of bundle, spec digest {KEY}",
        "GET https://www.kaggle.com/code/ana/k?scriptVersionId=123456 HTTP 404",
        "Traceback (most recent call last): File '/home/ana/train.py', line 3, in f\tx",
        "--set environment.reset_seed=12345",
    ],
)
def test_ordinary_lines_are_unchanged(text: str) -> None:
    assert masking([])(text) == text == LineMask(masking([]))(text)


def test_the_lines_of_a_private_key_are_hidden_one_by_one() -> None:
    mask = LineMask(masking([]))
    body = ["MIIEpAIBAAKCAQEA7bq0" * 3, "aB3dE5fG7hJ9kL2mN4pQ" * 3]
    lines = ["a", "-----BEGIN OPENSSH " + "PRIVATE KEY-----", *body, "-----END OPENSSH " + "PRIVATE KEY-----", body[0]]
    shown = [mask(line) for line in lines]
    assert not any(one in " ".join(shown[:-1]) for one in body)
    assert shown[0] == "a" and shown[-1] == body[0]  # behind the key, lines are shown again


def test_commands_to_the_terminal_are_removed_and_hide_no_secret() -> None:
    mask = LineMask(masking(IN_USE))
    for command in ("\x1b[31m", "\x1b]0;title\x07", "\x9b2J", "\x1b(B", "\x08", "\u200b", "\u202e", "\x00", "\x1bc"):
        shown = mask(f"key {KEY[:7]}{command}{KEY[7:]} end{command}")
        assert shown == "key [value of KAGGLE_KEY] end"
    assert mask("10 %\r20 %\ttab") == "10 % 20 %\ttab"


@pytest.mark.parametrize("between", ["\n", "\r\n    ", " ", "', '", "\\\n", '" +\n"'])
@pytest.mark.parametrize("spelled", [KEY, KEY.upper(), base64.b64encode(KEY.encode()).decode(), KEY.encode().hex()])
def test_a_secret_in_use_is_hidden_with_signs_between_its_characters(spelled: str, between: str) -> None:
    pieces = [spelled[:9], spelled[9:20], spelled[20:]]
    shown = masking(IN_USE)(f"before {between.join(pieces)} behind")
    assert shown.startswith("before [value of KAGGLE_KEY]") and shown.endswith(" behind")
    assert not any(piece in shown for piece in pieces)
    listed = masked_json({"lines": ["before", *pieces, "behind"]}, masking(IN_USE))["lines"]
    assert len(listed) == 5 and not any(piece in str(listed) for piece in pieces)
    assert (listed[0], listed[-1]) == ("before", "behind")


def test_every_text_of_a_json_value_is_masked_and_its_shape_kept() -> None:
    plain = {"a": [KEY, 1, None, True, (TOKEN,)], KEY: {"b": 0.5}, "short": "x"}
    shown = masked_json(plain, masking(IN_USE))
    assert shown["a"][0] == "[value of KAGGLE_KEY]" and shown["a"][1:4] == [1, None, True]
    assert isinstance(shown["a"][4], tuple) and TOKEN not in str(shown) and KEY not in str(shown)


PRIVATE = [
    "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
    "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW",
    "QyNTUxOQAAACBZ6kVpZ2Z4mN0aQm9yYXNkZmFzZGZhc2RmYXNkZmFzZGZhc2RmYXNkZg==",
    "-----END OPENSSH " + "PRIVATE KEY-----",
]


@pytest.mark.parametrize("kind", [list, tuple])
@pytest.mark.parametrize("cut", [(), (1,), (2,), (1, 2, 3)])
def test_a_key_that_is_spread_over_the_items_of_a_list_is_hidden(cut: tuple[int, ...], kind: type) -> None:
    ends = [0, *cut, len(PRIVATE)]
    pieces = ["\n".join(PRIVATE[start:end]) for start, end in itertools.pairwise(ends)]
    plain = {"problems": kind(["first", *pieces, 7, "last", TOKEN]), "steps": [1, 2]}
    shown = masked_json(plain, masking(IN_USE))
    assert not any(line in str(shown) for line in PRIVATE[1:3]) and TOKEN not in str(shown)
    problems = shown["problems"]
    assert isinstance(problems, kind) and len(problems) == len(plain["problems"]) and shown["steps"] == [1, 2]
    assert problems[0] == "first" and problems[-3:-1] == kind([7, "last"])
    assert "private key" in problems[1]


@pytest.mark.parametrize("unit", [["a", f"token {TOKEN}"], ["a", *PRIVATE], ["a"] * 98 + PRIVATE])
def test_a_long_list_is_masked_quickly_and_wherever_a_key_lies(unit: list[str]) -> None:
    lines = unit * (1_200 // len(unit))
    began_s = time.process_time()
    shown = masked_json(lines, masking(IN_USE))
    assert time.process_time() - began_s < 20
    assert len(shown) == len(lines) and shown.count("a") == lines.count("a")
    assert not any(one in str(shown) for one in (*PRIVATE[1:3], TOKEN))


def test_a_key_of_hundreds_of_lines_is_hidden() -> None:
    lines = ["before", PRIVATE[0], *[PRIVATE[1]] * 450, PRIVATE[3], *["behind"] * 300]
    shown = masked_json(lines, masking([]))
    assert len(shown) == len(lines) and PRIVATE[1] not in str(shown)
    assert shown[0] == "before" and shown.count("behind") == 300


def test_a_key_without_an_end_and_numbers_between_its_lines_are_hidden() -> None:
    lines = [PRIVATE[0], 1, PRIVATE[1], 2, PRIVATE[2]]
    shown = masked_json(["before", *lines], masking([]))
    assert shown[0] == "before" and shown[2] == 1 and shown[4] == 2
    assert not any(line in str(shown) for line in PRIVATE[1:3])


def test_lists_without_a_secret_stay_the_same() -> None:
    plain = {"a": ["-----BEGIN CERTIFICATE-----", "x", "-----END CERTIFICATE-----"], "b": [TOKEN], "c": [["y"], []]}
    shown = masked_json(plain, masking([]))
    assert shown["a"] == plain["a"] and shown["c"] == plain["c"] and TOKEN not in str(shown)
