"""Where the project is: by variable, by folder, in a clone, and with an installed wheel."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.stores import project as module
from orchestrator.stores.project import find_project, origin_of_project
from orchestrator.stores.section.card_yaml import load_card
from tests.conftest import PROJECT_ROOT


@pytest.fixture
def site_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The layout of an installed wheel."""
    site = tmp_path / "venv/lib/site-packages"
    shipped = site / "orchestrator/stores/shipped"
    (shipped / "sections").mkdir(parents=True)
    (shipped / "sections/section_7_6.yaml").write_text("section: section_7_6\n", encoding="utf-8")
    monkeypatch.setattr(module, "_INSTALLED", site)
    monkeypatch.setattr(module, "_SHIPPED", shipped)
    return site


def _folder(path: Path, *, project: bool = False) -> Path:
    (path / "configs/sections" if project else path).mkdir(parents=True)
    return path


def test_a_folder_with_cards_is_the_project_from_everywhere_below(tmp_path: Path, site_packages: Path) -> None:
    root = _folder(tmp_path / "mine", project=True)
    found = find_project({}, _folder(root / "a/b"))
    assert (found.code, found.state, found.shipped, found.packages) == (root, root, False, None)
    assert (found.cards, found.campaigns) == (root / "configs/sections", root / "configs/campaigns")
    assert find_project({"ORCHESTRATOR_ROOT": str(root)}, tmp_path).code == root
    assert origin_of_project({}, root / "a/b") == "the current folder"


def test_a_clone_is_its_own_project_outside_of_any_other(tmp_path: Path) -> None:
    found = find_project({}, tmp_path)
    assert (found.code, found.state, found.shipped) == (PROJECT_ROOT, PROJECT_ROOT, False)
    assert origin_of_project({}, tmp_path) == "the place of this program's code"


def test_a_wheel_runs_its_sections_with_state_in_the_current_folder(tmp_path: Path, site_packages: Path) -> None:
    here = _folder(tmp_path / "empty")
    found = find_project({}, here)
    assert (found.code, found.state, found.shipped) == (site_packages, here, True)
    assert found.cards == site_packages / "orchestrator/stores/shipped/sections"
    assert found.packages == ("validation_ch7",)
    assert "no project here" in origin_of_project({}, here)
    with pytest.raises(BadInput, match="no project here") as caught:
        load_card(found.cards, "mine")
    assert "orchestrator init DIR" in caught.value.remedy
    assert list(here.iterdir()) == []


def test_state_is_never_written_into_an_installed_wheel(site_packages: Path) -> None:
    for here in (site_packages, site_packages / "orchestrator/stores/shipped"):
        with pytest.raises(BadInput, match="installed packages") as caught:
            find_project({}, here)
        assert "orchestrator init DIR" in caught.value.remedy


def test_without_any_section_the_message_names_init(
    tmp_path: Path, site_packages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SHIPPED", site_packages / "absent")
    with pytest.raises(BadInput, match=r"^no project here$") as caught:
        find_project({}, tmp_path)
    assert "orchestrator init DIR" in caught.value.remedy
