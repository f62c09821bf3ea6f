"""Scenarios of the models directory: a restore, a fresh start, and saves that rotate older checkpoints away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.survey import find_latest_checkpoint, survey_checkpoints
from orchestrator.stores.checkpoint.models_dir import ModelsDirectory
from tests.kill_points.scenario import LOST, WRONG, Fault, Scenario, leftovers
from tests.kill_points.tree import read_tree
from tests.unit.kernel.makers import SCENARIO, save
from tests.unit.stores.checkpoint.trees import bring, contents_below, named_by, write_tree

OWN = {
    "checkpoints/model.zip": b"1",
    f"checkpoints/{SCENARIO}_checkpoint_40_steps.zip": b"2",
    "best_model/notes.txt": b"3",
    "best_model/best_model.zip": b"4",
    "mine/model.zip": b"5",
}
"""The user's own files; two of them have names that the next session's files need."""


def own_files_faults(models: ModelsDirectory, data: Path, put: list[bytes]) -> Iterator[Fault]:
    """Which of the user's own files are lost, or there but not named by `status`."""
    found: dict[bytes, list[Path]] = {}
    for path, content in contents_below(data):
        found.setdefault(content, []).append(path)
    named = named_by(models)
    for content in put:
        if content not in found:
            yield LOST, f"{content!r} of the user"
        elif not any(path in named for path in found[content]):
            yield WRONG, f"{found[content]} is not named"


class Restore(Scenario):
    """The checkpoints of a session replace those in place; the replaced ones are deleted once that is recorded."""

    name = "restore"
    linked = ""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.data = self.root / "data"
        self.data.mkdir()
        if self.linked:
            (self.root / "big").mkdir()
            link = self.data / "models" / self.linked
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(self.root / "big", target_is_directory=True)
        self.models = ModelsDirectory(self.data / "models", SCENARIO)
        self.models.replace_with(bring(folder / "old", 10, 20, best=True), "session-1")
        self.models.discard_archive("session-1")
        self.put = write_tree(self.data / "models", OWN)
        self.incoming = bring(folder / "new", 30, 40, best=True)

    def act(self) -> None:
        with self.models.locked():
            self.models.recover()
            if self.models.view().steps < 40:
                self.models.replace_with(self.incoming, "session-2")
            self.models.discard_archive("session-2")

    def go_on(self) -> None:
        self.act()

    def faults(self) -> Iterator[Fault]:
        view = self.models.view()
        if [card.steps for card in view.verified] != [40, 30]:
            yield LOST, f"{[card.steps for card in view.verified]} is in place"
        for entry in self.incoming.entries:
            path = self.data / "models" / entry.path
            if not path.is_file() or path.read_bytes() != (self.incoming.root / entry.path).read_bytes():
                yield LOST, f"{entry.path} is not in place"
        yield from own_files_faults(self.models, self.data, self.put)
        yield from leftovers(self.root)


class RestoreLinked(Restore):
    """As `Restore`; the folder of the checkpoints is a link to another disk."""

    name = "restore-linked"
    linked = "checkpoints"


class Fresh(Restore):
    """Everything moves to the archive for a fresh start."""

    name = "fresh"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.contents = {content for _, content in contents_below(self.data / "models")}

    def act(self) -> None:
        with self.models.locked():
            self.models.recover()
            if self.models.view().verified:
                self.models.archive("fresh-1")

    def faults(self) -> Iterator[Fault]:
        if list((self.data / "models").rglob("*.zip")):
            yield WRONG, "the models directory is not empty"
        if not (self.data / "models").is_dir():
            yield WRONG, "the models directory is gone, which counts as a loss"
        for content in self.contents - {content for _, content in contents_below(self.data)}:
            yield LOST, repr(content[:60])
        yield from own_files_faults(self.models, self.data, self.put)
        yield from leftovers(self.root)


class FreshLinked(Fresh):
    """As `Fresh`; the folder of the checkpoints is a link to another disk."""

    name = "fresh-linked"
    linked = "checkpoints"


class Rotation(Scenario):
    """A session saves four checkpoints, each later one one more; each save deletes all but the newest two."""

    name = "rotation"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.models = self.root / "models"
        (self.models / "checkpoints").mkdir(parents=True)
        self.put = write_tree(self.models, OWN)
        self.saved = 0

    def act(self) -> None:
        self._save_until(40)

    def go_on(self) -> None:
        latest = find_latest_checkpoint(self.models, SCENARIO)
        self.early = (latest.steps if latest else 0), self.saved
        self._save_until(max(40, self.early[0]) + 10)

    def _save_until(self, target: int) -> None:
        latest: CheckpointCard | None = find_latest_checkpoint(self.models, SCENARIO)
        for steps in range((latest.steps if latest else 0) + 10, target + 1, 10):
            latest = save(self.models, steps, latest)
            self.saved = steps

    def outside(self) -> tuple[int]:
        return (self.saved,)

    def set_outside(self, outside: tuple[int]) -> None:
        (self.saved,) = outside

    def faults(self) -> Iterator[Fault]:
        found, saved = getattr(self, "early", (0, 0))
        if found < saved:
            yield LOST, f"the session had saved {saved} steps, and {found} were found"
        if [card.steps for card in survey_checkpoints(self.models, SCENARIO).verified] != [self.saved, self.saved - 10]:
            yield LOST, "the newest two checkpoints are not there"
        tree = read_tree(self.models)
        for content in self.put:
            if content not in tree.values():
                yield LOST, f"{content!r} of the user"
        kept = {path for path in tree if "_checkpoint_" in path and "set_aside" not in path}
        if len(kept) != 6:
            yield WRONG, f"{sorted(kept)} is there"
        yield from leftovers(self.models)


RESTORING = (Restore, RestoreLinked, Fresh, FreshLinked, Rotation)
