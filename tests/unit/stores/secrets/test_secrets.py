"""No push contains a secret: neither one in use, in any spelling, nor a likely one; ordinary code passes."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.errors import BadInput
from orchestrator.core.secret_search import SecretSearch, SecretValue, masked
from orchestrator.kernel.files.digests import file_entry
from orchestrator.stores.secrets.in_use import secrets_in_use, webhook_secrets
from orchestrator.stores.secrets.outgoing import Gate
from orchestrator.stores.session.code_bundle import CodeStore
from tests.doubles.toy_section import make_toy_project, toy_card

KEY = "9f1c07d2b3a84e65" + "a0c4d8e2f6b1937c"
CODE = Path("validation_ch7/section_7_6_rl_performance")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A toy project whose entry point also imports `own` and `link`, where they exist."""
    root = make_toy_project(tmp_path / "project")
    with (root / CODE / "entry.py").open("a", encoding="utf-8") as entry:
        entry.write("try:\n    from . import link, own\nexcept ImportError:\n    pass\n")
    return root


@pytest.fixture
def no_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder, and no environment variable with a Kaggle or netrc secret."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_CONFIG_DIR", "XDG_CONFIG_HOME", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    return home


SPELLINGS = {
    "plain": KEY,
    "double quotes": f'KEY = "{KEY}"',
    "single quotes": f"KEY = '{KEY}'",
    "upper case": KEY.upper(),
    "in two pieces": f'KEY = ("{KEY[:11]}"\n    "{KEY[11:]}")',
    "added up": f"KEY = '{KEY[:20]}' + \\\n  '{KEY[20:]}'",
    "basic authorization": base64.b64encode(f"ana:{KEY}".encode()).decode(),
    "longer user": base64.b64encode(f"anna:{KEY}".encode()).decode(),
    "a third user": base64.b64encode(f"annas:{KEY}".encode()).decode(),
    "wrapped base64": "\n".join(base64.encodebytes(("x" * 50 + KEY).encode()).decode().splitlines()),
    "hexadecimal": KEY.encode().hex(),
}


@pytest.mark.parametrize("suffix", ["py", "txt", "yaml", "json", "csv"])
@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.usefixtures("no_home")
def test_a_secret_in_use_is_refused_with_file_and_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, spelling: str, suffix: str
) -> None:
    monkeypatch.setenv("KAGGLE_KEY", KEY)
    (project / CODE / f"own.{suffix}").write_text(f"first = 1\n# second\n{SPELLINGS[spelling]}\n", encoding="utf-8")
    with pytest.raises(BadInput) as fault:
        CodeStore(project).bundle(toy_card(project))
    message = str(fault.value) + fault.value.remedy
    assert f"own.{suffix}, line " in message and "KAGGLE_KEY" in message and "revoke" in message
    assert KEY not in message.lower() and KEY[:8] not in message.lower()
    if spelling != "wrapped base64":
        assert f"own.{suffix}, line 3" in message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.usefixtures("no_home")
def test_a_secret_in_another_encoding_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    (project / CODE / "own.csv").write_bytes(f"a,b\n1,{KEY}\n".encode(encoding))
    with pytest.raises(BadInput, match=r"own\.csv.*WANDB_API_KEY"):
        CodeStore(project).bundle(toy_card(project))


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (".kaggle/kaggle.json", json.dumps({"username": "ana", "key": KEY})),
        (".config/kaggle/kaggle.json", json.dumps({"username": "ana", "key": KEY})),
        (".kaggle/access_token", f"{KEY}\n"),
        (".kaggle/access_token.txt", f"\ufeff{KEY}\n"),
        (".kaggle/credentials.json", json.dumps({"refresh_token": KEY, "username": "ana"})),
        (".netrc", f"machine api.wandb.ai\n  login user\n  password {KEY}\n"),
        (".cache/huggingface/token", KEY),
        (".aws/credentials", f"[default]\naws_access_key_id = x\naws_secret_access_key = {KEY}\n"),
        (".git-credentials", f"https://ana:{KEY}@github.com\n"),
        (".kaggle/kaggle.json", f'{{"username": "ana", "key": "{KEY}",'),  # cut short
        (".netrc", f"machine a.example\n  user ana\n  password {KEY}\n"),  # `user` is no word of a netrc
        (".netrc", f"machine a.example login ana account {KEY} password x\n"),
        ("_netrc", f"default login ana password {KEY}\n"),
        (".config/pip/pip.conf", f"[global]\nindex-url = https://ana:{KEY}@pypi.example/simple\n"),
        (".gitconfig", f'[url "https://ana:{KEY}@git.example"]\n'),
        (".npmrc", f"//registry.example/:_authToken={KEY}\n"),
        (".docker/config.json", json.dumps({"auths": {"a.example": {"auth": KEY}}})),
        (".config/gcloud/application_default_credentials.json", json.dumps({"refresh_token": KEY})),
        (".pgpass", f"host:5432:db:ana:{KEY}\n"),
        (".my.cnf", f"[client]\npassword='{KEY}'\n"),
        (".vault-token", KEY),
    ],
)
def test_secrets_in_use_are_found_in_the_files_of_the_clients(no_home: Path, place: str, text: str) -> None:
    path = no_home / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    found = secrets_in_use({}, no_home)
    assert KEY in {one.value for one in found}
    assert KEY not in repr(found)


def test_a_variable_is_secret_by_its_name_and_a_random_value(no_home: Path) -> None:
    secret = {
        "KAGGLE_KEY": KEY,
        "MY_SERVICE_TOKEN": "Zq8-" + KEY,
        "NEPTUNE_API_TOKEN": "n" + KEY,
        "DB_PASSWORD": "correct-horse-42-battery!",
        "SLACK_WEBHOOK": "https://hooks.example.org/services/T0AB12CD/B0EF34GH/" + KEY,
        "HTTPS_PROXY": "http://ana:pr0xy-pa55word@proxy:3128",
        "SMTP_PASS": "hunter42x",
        "MYSQL_PWD": "ab12cd34",
        "GOOGLE_JSON": json.dumps({"type": "service_account", "private_key_id": "5e" + KEY}),
        "DEPLOY": "-----BEGIN RSA " + "PRIVATE KEY-----\n" + "aB3d" * 16 + "\n-----END RSA " + "PRIVATE KEY-----",
    }
    plain = {
        "HF_HOME": "/home/ana/.cache/" + KEY,
        "TOKENIZERS_PARALLELISM": "false",
        "WANDB_API_KEY": "disabled",
        "TOKENIZER_MODEL": "bert-base-uncased-v2",
        "SSH_PRIVATE_KEY_PATH": "/home/ana/.ssh/id_ed25519_2026",
        "SECRET_BACKEND": "environment-variables",
        "TOKEN": "x1",
        "KEYRING": KEY,
        "TOKEN_URL": "https://example.org/token/v2/" + KEY,
        "PASSWORD_STORE": "aaaaaaaaaaaaaaaaaaaaaaaa1",
        "PWD": "/home/ana/work42",
        "DEFAULT_PASSWORD": "required",
        "EDITOR_JSON": json.dumps({"keyboard": "qwerty-us", "key": "value"}),
    }
    found = {one.name for one in secrets_in_use({**secret, **plain}, no_home)}
    assert found == set(secret)


@pytest.mark.parametrize(
    "line",
    [
        "KEY = {'key': '" + KEY + "'}",
        "KAGGLE_KEY=" + KEY,
        "os.environ['KAGGLE_KEY'] = '" + KEY + "'",
        "TOKEN = 'KGAT_" + KEY.upper() + "'",
        "TOKEN = 'kgat_" + KEY + "'",
        "hf_" + "aBcDeFgHiJkLmNoPqRsTuVwXyZaBcDeFgH",
        "ghp_" + "a1B2" * 9,
        "github_pat_" + "a1B2_" * 12,
        "AKIA" + "ABCDEFGHIJ234567",
        "aws_secret_access_key = " + "aB3/" * 10,
        "wandb.login(key='" + KEY + KEY[:8] + "')",
        "WANDB_API_KEY: " + KEY + KEY[:8],
        "xoxb-" + "123456789012-123456789012-abcDEF123",
        "sk-proj-" + "aB3d" * 12,
        "-----BEGIN ENCRYPTED " + "PRIVATE KEY-----",
        "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
        "https://ana:" + "hunter22x@example.org/simple",
        "AIza" + "aB3d5" * 7,
        "glpat-" + "aB3d5" * 4,
    ],
)
@pytest.mark.parametrize("suffix", ["py", "txt"])
@pytest.mark.usefixtures("no_home")
def test_a_likely_secret_is_refused_with_its_line_unless_the_line_is_allowed(
    project: Path, line: str, suffix: str
) -> None:
    path = project / CODE / f"own.{suffix}"
    path.write_text(f'TEXT = """\n\n{line}\n"""\n', encoding="utf-8")
    with pytest.raises(BadInput) as fault:
        CodeStore(project).bundle(toy_card(project))
    assert f"own.{suffix}, line 3: what looks like" in str(fault.value)
    assert line not in str(fault.value)
    path.write_text(f'TEXT = """\n\n{line}  # pragma: allowlist secret\n"""\n', encoding="utf-8")
    CodeStore(project).bundle(toy_card(project))


@pytest.mark.usefixtures("no_home")
def test_a_secret_in_use_is_refused_even_on_an_allowed_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + KEY)
    (project / CODE / "own.py").write_text(f"T = 'hf_{KEY}'  # pragma: allowlist secret\n", encoding="utf-8")
    with pytest.raises(BadInput, match="HF_TOKEN"):
        CodeStore(project).bundle(toy_card(project))


@pytest.mark.usefixtures("no_home")
def test_code_that_reads_its_secrets_passes(project: Path, project_root: Path) -> None:
    ordinary_code = """
KEY = os.environ["KAGGLE_KEY"]
token = UserSecretsClient().get_secret("WANDB_API_KEY")
kaggle_key = read(path)
digest = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9"
url = "https://user:{password}@example.org"
row = {"key": "replay_buffer_of_the_second_phase", "seed": 123456789}
"""
    (project / CODE / "own.py").write_text(ordinary_code, encoding="utf-8")
    CodeStore(project).bundle(toy_card(project))
    CodeStore(project_root).bundle(toy_card(project_root))


def test_a_link_that_leaves_the_project_is_refused_by_name(project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "notes.txt").write_text("private", encoding="utf-8")
    for link, target in (("notes.txt", outside / "notes.txt"), ("folder", outside), ("gone.txt", tmp_path / "absent")):
        path = project / CODE / link
        path.symlink_to(target)
        with pytest.raises(BadInput, match=link):
            CodeStore(project).bundle(toy_card(project))
        path.unlink()


def test_links_within_the_project_are_packed_unless_they_hide_a_credential(project: Path) -> None:
    (project / CODE / "link.py").symlink_to(project / CODE / "entry.py")
    assert (CODE / "link.py").as_posix() in CodeStore(project).bundle(toy_card(project)).names
    (project / ".env").write_text("x", encoding="utf-8")
    (project / CODE / "settings.txt").symlink_to(project / ".env")
    with pytest.raises(BadInput, match=r"settings\.txt"):
        CodeStore(project).bundle(toy_card(project))
    (project / CODE / "settings.txt").unlink()
    (project / CODE / "around").symlink_to(project / CODE)
    with pytest.raises(BadInput, match="around"):
        CodeStore(project).bundle(toy_card(project))


def _zip(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        KEY.encode(),
        b"\0\1" + KEY.encode() + b"\0",
        _zip(data=b"x" * 500 + KEY.encode()),
        _zip(inner=_zip(policy=base64.b64encode(b"ab:" + KEY.encode()))),
        _zip(array=b"\0" + KEY.encode("utf-32-le")),
        gzip.compress(b"x" * 500 + KEY.encode(), mtime=0),
    ],
    ids=["text", "binary", "zip", "nested", "array", "gzip"],
)
def test_checkpoint_files_are_searched_member_by_member(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c_checkpoint_10_steps.zip"
    path.write_bytes(content)
    value = SecretValue(name="KAGGLE_KEY", value=KEY)
    gate, entries = Gate(lambda: (value,)), (file_entry(path, tmp_path),)
    for _ in range(2):  # the second check must refuse too: a refusal is not cached as a pass
        with pytest.raises(BadInput) as fault:
            gate.check_files(tmp_path, entries)
        assert "c_checkpoint_10_steps.zip" in str(fault.value) and KEY not in str(fault.value)
    Gate(lambda: ()).check_files(tmp_path, entries)


@given(
    before=st.binary(max_size=40).filter(lambda raw: b"\0" not in raw),
    value=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=20, max_size=60),
    behind=st.binary(max_size=40),
)
def test_every_secret_value_is_found_at_any_position(before: bytes, value: str, behind: bytes) -> None:
    kept = [sign for sign in value if sign not in "\"'`\\+,()"]
    if len(kept) < 8:
        return
    search = SecretSearch([SecretValue(name="N", value=value)])
    for content in (
        before + b"\n" + value.encode() + b"\n" + behind,
        before + base64.b64encode(b"u:" + value.encode()) + behind,
        base64.b64encode(before + value.encode()),
    ):
        (found,) = search.of_values("p", content)
        assert "N" in found.what and value not in str(found)


def test_masked_text_contains_no_secret() -> None:
    value = SecretValue(name="HF_TOKEN", value="hf_é-" + KEY)
    text = f"a {value.value} b {base64.b64encode(value.value.encode()).decode()} c"
    shown = masked(text, [value])
    assert KEY not in shown and "HF_TOKEN" in shown and shown.startswith("a ") and shown.endswith(" c")
    (address, behind, last) = webhook_secrets("HOOK", f"https://example.org/services/{KEY}")
    assert address.value.endswith(KEY) and behind.value == f"services/{KEY}" and last.value == KEY
