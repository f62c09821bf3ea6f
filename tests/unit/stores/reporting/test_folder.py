"""The folder of a campaign's report, and what a new report may replace."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.stores.reporting.folder import emptied_report, replaced_report, section_folder


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


def test_an_earlier_report_comes_back_if_the_new_one_fails(tmp_path: Path) -> None:
    folder = emptied_report(tmp_path / "report")
    (folder / "tensorboard").mkdir()
    (folder / "tensorboard" / "events").write_text("old", encoding="utf-8")
    (folder / "table.csv").write_text("old", encoding="utf-8")

    def names() -> list[str]:
        return sorted(path.name for path in folder.iterdir())

    for fault in (OSError(28, "No space left on device"), KeyboardInterrupt()):
        with pytest.raises(type(fault)), replaced_report(folder):
            assert names() == [".campaign_report", ".earlier"]
            (folder / "table.csv").write_text("half", encoding="utf-8")
            raise fault
        assert names() == [".campaign_report", "table.csv", "tensorboard"]
        assert (folder / "table.csv").read_text(encoding="utf-8") == "old"
        assert (folder / "tensorboard" / "events").is_file()
    (folder / ".earlier").mkdir()  # as a kill leaves it
    (folder / "table.csv").rename(folder / ".earlier" / "table.csv")
    with pytest.raises(ValueError, match="again"), replaced_report(folder):
        raise ValueError("again")
    assert names() == [".campaign_report", "table.csv", "tensorboard"]
    with replaced_report(folder):
        (folder / "new.csv").write_text("new", encoding="utf-8")
    assert names() == [".campaign_report", "new.csv"]


def test_two_sections_get_separate_folders(tmp_path: Path) -> None:
    folder = emptied_report(tmp_path / "report")
    assert section_folder(folder, "section_7_6", {"section_7_6"}) == folder
    both = {"section_7_6", "section_7_7"}
    assert [section_folder(folder, one, both).name for one in sorted(both)] == sorted(both)
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == sorted(both)
