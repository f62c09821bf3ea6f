"""The code bundle: equal code gives equal bytes, it contains all code that runs, and never a credential."""

from __future__ import annotations

import io
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.kernel.files.digests import tree_digest
from orchestrator.stores.session.code_bundle import CodeStore
from tests.doubles.toy_section import make_toy_project, toy_card


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make_toy_project(tmp_path / "project")


def test_equal_code_gives_equal_bytes_whatever_the_file_times(project: Path, tmp_path: Path) -> None:
    first = CodeStore(project).bundle(toy_card(project))
    copy = tmp_path / "elsewhere"
    shutil.copytree(project, copy)
    for path in copy.rglob("*.py"):
        os.utime(path, (1, 1))
    assert CodeStore(copy).bundle(toy_card(copy)) == first


def test_the_digest_covers_names_and_bytes_and_not_the_zip(project: Path) -> None:
    bundle = CodeStore(project).bundle(toy_card(project))
    with zipfile.ZipFile(io.BytesIO(bundle.archive)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert tree_digest(members) == bundle.digest
    assert set(members) == set(bundle.names)


def test_one_changed_byte_changes_the_digest(project: Path) -> None:
    before = CodeStore(project).bundle(toy_card(project)).digest
    entry = project / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(entry.read_text(encoding="utf-8") + "#", encoding="utf-8")
    assert CodeStore(project).bundle(toy_card(project)).digest != before


def test_a_sections_requirements_are_bundled_and_change_the_digest(project: Path) -> None:
    before = CodeStore(project).bundle(toy_card(project))
    name = "validation_ch7/section_7_6_rl_performance/requirements.txt"
    (project / name).write_text("numpy==2.4.6\n", encoding="utf-8")
    after = CodeStore(project).bundle(toy_card(project))
    assert set(after.names) - set(before.names) == {name}
    assert after.digest != before.digest


def test_data_checkpoints_and_scripts_are_not_bundled(project: Path) -> None:
    before = CodeStore(project).bundle(toy_card(project))
    section = project / "validation_ch7/section_7_6_rl_performance"
    for folder in (section / "data/models", section / "trials/0a1b2c3d", project / "validation_ch7/scripts"):
        folder.mkdir(parents=True)
        (folder / "x.json").write_text("{}", encoding="utf-8")
    assert CodeStore(project).bundle(toy_card(project)) == before


@pytest.mark.parametrize("name", ["kaggle.json", "kaggle_backup.json", ".env", ".env.local", "my.pem", "id_rsa"])
def test_a_file_named_like_a_credential_is_refused(project: Path, name: str) -> None:
    (project / "validation_ch7" / name).write_text("x", encoding="utf-8")
    with pytest.raises(BadInput, match="credential"):
        CodeStore(project).bundle(toy_card(project))


@pytest.mark.parametrize(
    "content",
    [
        "TOKEN = 'KGAT_" + "0123456789abcdef" * 2 + "'",
        '{"username": "x", "key": "' + "0123456789abcdef" * 2 + '"}',
        "-----BEGIN RSA " + "PRIVATE KEY-----",
    ],
)
def test_a_file_that_contains_a_credential_is_refused_without_showing_it(project: Path, content: str) -> None:
    (project / "validation_ch7" / "settings.py").write_text(content, encoding="utf-8")
    entry = project / "validation_ch7/section_7_6_rl_performance/entry.py"
    entry.write_text(f"from validation_ch7 import settings\n{entry.read_text(encoding='utf-8')}", encoding="utf-8")
    with pytest.raises(BadInput) as fault:
        CodeStore(project).bundle(toy_card(project))
    assert "settings.py" in str(fault.value)
    assert "0123456789abcdef" not in str(fault.value) + fault.value.remedy
