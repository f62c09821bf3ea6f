"""Lists a session's outputs, all pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.mapping import OutputFile
from orchestrator.backends.kaggle.session.download import confined


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One listing.

    Attributes:
        files: Path -> file, for paths that can be used here.
        refused: Paths that cannot be used here.
        log: The log in the listing, empty if there is none.
    """

    files: Mapping[str, OutputFile]
    refused: tuple[str, ...]
    log: str

    def below(self, folder: str) -> Listing:
        """The files below a folder, with paths relative to it; the log is that of the whole session."""
        start = f"{folder}/"
        inside = {path.removeprefix(start): file for path, file in self.files.items() if path.startswith(start)}
        refused = tuple(path.removeprefix(start) for path in self.refused if path.startswith(start))
        return Listing(files=inside, refused=refused, log=self.log)


def list_outputs(api: KaggleApi, owner: str, slug: str) -> Listing:
    """List the outputs of a session.

    A page whose next page was already read ends the listing; files not listed by then count as missing.

    Raises:
        ServiceFault: Kaggle did not answer.
    """
    files: dict[str, OutputFile] = {}
    refused: list[str] = []
    log, token, seen = "", "", set[str]()
    while token not in seen:
        seen.add(token)
        page = api.output_page(owner, slug, token)
        log = log or page.log
        for file in page.files:
            if confined(file.path):
                files[file.path] = file
            elif file.path not in refused:
                refused.append(file.path)
        token = page.next_token
        if not token:
            break
    return Listing(files=files, refused=tuple(refused), log=log)
