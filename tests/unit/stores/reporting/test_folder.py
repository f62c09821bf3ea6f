"""The folder of a campaign's report, and what a new report may replace."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.stores.reporting.folder import (
    earlier_files,
    marked_report,
    remove_others,
    section_folder,
    staged_report,
)


def test_a_report_replaces_only_an_earlier_report(tmp_path: Path) -> None:
    folder = marked_report(tmp_path / "report")
    (folder / "table.csv").write_text("old", encoding="utf-8")
    (folder / "figures").mkdir()
    assert marked_report(folder) == folder
    remove_others(folder, ["table.csv"])
    assert [path.name for path in earlier_files(folder)] == ["table.csv"]
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "chapter.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(BadInput, match="that no report wrote"):
        marked_report(thesis)
    assert (thesis / "chapter.tex").exists()


def _contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".campaign_report"
    }


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("again")])
def test_the_files_of_an_earlier_report_stay_until_the_new_ones_are_complete(
    tmp_path: Path, fault: BaseException
) -> None:
    folder = marked_report(tmp_path / "report")
    for name in ("tensorboard/events", "tensorboard/more", "table.csv", "gone.csv", "page.html"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("old", encoding="utf-8")
    (folder / ".new").mkdir()  # as a kill leaves it
    (folder / ".new" / "table.csv").write_text("half", encoding="utf-8")
    old = {name: text for name, text in _contents(folder).items() if not name.startswith(".new")}
    with pytest.raises(type(fault)), staged_report(folder) as new:
        assert list(new.iterdir()) == []
        (new / "table.csv").write_text("half", encoding="utf-8")
        assert old.items() <= _contents(folder).items()
        raise fault
    assert _contents(folder) == old
    with staged_report(folder, ["page.html"]) as new:
        (new / "tensorboard").mkdir()
        (new / "tensorboard" / "events").write_text("new", encoding="utf-8")
        (new / "table.csv").write_text("new", encoding="utf-8")
        assert old.items() <= _contents(folder).items()
    assert _contents(folder) == {"page.html": "old", "table.csv": "new", "tensorboard/events": "new"}
    assert not (folder / ".new").exists()


def test_two_sections_get_separate_folders(tmp_path: Path) -> None:
    folder = marked_report(tmp_path / "report")
    assert section_folder(folder, "section_7_6", {"section_7_6"}) == folder
    both = {"section_7_6", "section_7_7"}
    assert [section_folder(folder, one, both).name for one in sorted(both)] == sorted(both)
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == sorted(both)
