"""The folder of a campaign's report, and what a new report may replace."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.stores.reporting.folder import emptied_report, section_folder


def test_a_report_replaces_only_an_earlier_report(tmp_path: Path) -> None:
    folder = emptied_report(tmp_path / "report")
    (folder / "table.csv").write_text("old", encoding="utf-8")
    (folder / "figures").mkdir()
    assert [path.name for path in emptied_report(folder).iterdir()] == [".campaign_report"]
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(BadInput, match="that no report wrote"):
        emptied_report(thesis)
    assert (thesis / "chapter.tex").exists()


def test_two_sections_get_separate_folders(tmp_path: Path) -> None:
    folder = emptied_report(tmp_path / "report")
    assert section_folder(folder, "section_7_6", {"section_7_6"}) == folder
    both = {"section_7_6", "section_7_7"}
    assert [section_folder(folder, one, both).name for one in sorted(both)] == sorted(both)
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == sorted(both)
