"""Every form of credential is found in the official client's order, and no secret is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.backends.kaggle.client.credentials import CredentialForm, candidates
from orchestrator.core.errors import RemoteUnavailable

SECRET = "KGAT_0123456789abcdef"


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def forms(environ: dict[str, str], home: Path) -> list[tuple[CredentialForm, str, str | None, str]]:
    return [(c.form, c.source, c.username, c.secret) for c in candidates(environ, home)]


def test_without_credentials_there_are_no_candidates(tmp_path: Path) -> None:
    assert candidates({}, tmp_path) == []


def test_a_token_is_given_by_value_or_by_path(tmp_path: Path) -> None:
    token = (CredentialForm.ACCESS_TOKEN, "KAGGLE_API_TOKEN", None, SECRET)
    assert forms({"KAGGLE_API_TOKEN": SECRET}, tmp_path) == [token]
    write(tmp_path / "token", f"{SECRET}\r\n")
    assert forms({"KAGGLE_API_TOKEN": str(tmp_path / "token")}, tmp_path) == [token]


@pytest.mark.parametrize("name", ["access_token", "access_token.txt"])
def test_a_token_file_may_have_a_byte_order_mark_and_windows_line_ends(name: str, tmp_path: Path) -> None:
    write(tmp_path / ".kaggle" / name, f"\ufeff{SECRET}\r\n")
    assert forms({}, tmp_path) == [(CredentialForm.ACCESS_TOKEN, f"~/.kaggle/{name}", None, SECRET)]


def test_a_legacy_key_is_found_in_each_place(tmp_path: Path) -> None:
    assert forms({"KAGGLE_USERNAME": "ana", "KAGGLE_KEY": "k"}, tmp_path)[0][2:] == ("ana", "k")
    for environ, folder in (
        ({"KAGGLE_CONFIG_DIR": str(tmp_path / "own")}, tmp_path / "own"),
        ({}, tmp_path / "home" / ".kaggle"),
        ({"XDG_CONFIG_HOME": str(tmp_path / "xdg")}, tmp_path / "xdg" / "kaggle"),
    ):
        write(folder / "kaggle.json", {"username": "ana", "key": "k"})
        home = tmp_path / "home" if ".kaggle" in str(folder) else tmp_path / "elsewhere"
        assert forms(environ, home)[0] == (CredentialForm.LEGACY_KEY, str(folder / "kaggle.json"), "ana", "k")


def test_the_order_of_credentials_is_that_of_the_client(tmp_path: Path) -> None:
    write(tmp_path / ".kaggle/kaggle.json", {"username": "ana", "key": "k"})
    write(tmp_path / ".kaggle/credentials.json", {"refresh_token": "r", "username": "ana"})
    found = forms({"KAGGLE_API_TOKEN": SECRET}, tmp_path)
    assert [form for form, *_ in found] == list(CredentialForm)


def test_half_a_key_is_ignored_and_a_damaged_file_is_reported(tmp_path: Path) -> None:
    assert forms({"KAGGLE_USERNAME": "ana"}, tmp_path) == []
    write(tmp_path / ".kaggle/kaggle.json", "{")
    with pytest.raises(RemoteUnavailable, match=r"kaggle\.json cannot be read: Expecting property name"):
        candidates({}, tmp_path)


def test_the_repr_of_credentials_shows_no_secret(tmp_path: Path) -> None:
    (credentials,) = candidates({"KAGGLE_API_TOKEN": SECRET}, tmp_path)
    assert SECRET not in repr(credentials)
