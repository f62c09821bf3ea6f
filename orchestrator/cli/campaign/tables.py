"""The files of a campaign's report: which are new, and which of an earlier report are kept when the new one fails."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.kernel.reporting.trial_report import write_path
from orchestrator.stores.reporting.folder import earlier_files, remove_others, section_folder, staged_report
from orchestrator.wiring.page.report import PAGE_NAME

if TYPE_CHECKING:
    from orchestrator.cli.output.console import Console

_NAMED = 5


class Tables:
    """Writes the files of a report over those of an earlier one.

    Args:
        folder: Of the report.
        console: Names each file that was written.
    """

    def __init__(self, folder: Path, console: Console) -> None:
        self.folder = folder
        self.console = console
        self._earlier = {path.name for path in earlier_files(folder)}
        self._new = {PAGE_NAME}

    def wrote(self, path: Path) -> None:
        """Record and name a file in the folder that was written."""
        self._new.add(path.name)
        self.console.say(f"Wrote {path.as_posix()}")

    @contextmanager
    def of_section(self, section: str, sections: Collection[str]) -> Iterator[tuple[Path, Path]]:
        """The folder of a section's report, and an empty one for its new files.

        Args:
            sections: All sections of the campaign.

        Raises:
            OSError: A folder cannot be written.
        """
        own = section_folder(self.folder, section, sections)
        account = write_path(own, section).name
        if own == self.folder:
            self._new.add(account)
        with staged_report(own, {account, *(self._new if own == self.folder else ())}) as new:
            yield own, new
        self._new.update([path.name for path in earlier_files(own)] if own == self.folder else [own.name])

    def remove_earlier(self) -> None:
        """Delete what an earlier report wrote and this one did not."""
        remove_others(self.folder, self._new)

    def name_kept(self) -> None:
        """Show which files are those of the earlier report, because the new report failed."""
        kept = sorted(self._earlier - self._new)
        if kept:
            more = f" and {len(kept) - _NAMED} more" if len(kept) > _NAMED else ""
            self.console.say(
                f"The report failed. Kept from the earlier report in {self.folder.as_posix()}: "
                f"{', '.join(kept[:_NAMED])}{more}"
            )
