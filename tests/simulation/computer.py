"""A simulated computer: the real tick, scheduler, pipeline and ledger, with storage in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from orchestrator.core.campaign.config import Campaign
from orchestrator.core.campaign.expansion import Trial
from orchestrator.core.checkpoint.inventory import CheckpointInventory, FetchedCheckpoints, Replaced
from orchestrator.core.ledger.events import Event
from orchestrator.core.ledger.records import SessionRecord
from orchestrator.core.reporting.learning_curve import SessionCurve
from orchestrator.core.section.card import SectionCard
from orchestrator.core.session.backend_types import Bundle
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import CHECKPOINTS, FileEntry, Ticket
from orchestrator.pipeline.campaign.context import CampaignContext
from orchestrator.pipeline.campaign.recover import recover
from orchestrator.pipeline.campaign.tick import CampaignTicker
from orchestrator.pipeline.campaign.tick_report import TickReport
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.search.replay import SearchReplay
from orchestrator.ports import Lease
from orchestrator.search.proposer import OptunaProposer
from orchestrator.stores.ledger.sqlite import SqliteLedger
from tests.doubles.narrator import Listener
from tests.simulation.campaigns import CARDS
from tests.simulation.world import Kernel, Killed, SimBackend, World

Answer = TypeVar("Answer")
RESULTS = Path("/results")


class MemoryModels:
    """A models directory in memory: a list of cards."""

    def __init__(self, name: str) -> None:
        self._root = Path("/virtual") / name
        self._view = self._of(())

    @contextmanager
    def locked(self) -> Iterator[None]:
        yield

    def recover(self) -> str | None:
        return None

    def view(self) -> CheckpointInventory:
        return self._view

    def _of(self, cards: Sequence[CheckpointCard]) -> CheckpointInventory:
        return CheckpointInventory(
            root=self._root, verified=tuple(cards), faults={}, leftovers=(), entries=tuple(_entries(cards))
        )

    def packed(self, entries: Sequence[FileEntry]) -> bytes:
        raise AssertionError("the simulation inlines no checkpoints")

    def unchanged(self, inventory: CheckpointInventory) -> bool:
        return inventory is self._view

    def replace_with(
        self, incoming: FetchedCheckpoints, token: str, before: CheckpointInventory | None = None
    ) -> Replaced:
        self._view = self._of(incoming.verified)
        return Replaced(inventory=self._view, archive=self._root.parent / "archive" / token)

    def hold(self, view: CheckpointInventory) -> None:
        """Simulate a user who copies these checkpoints in."""
        self._view = view

    def empty(self) -> None:
        """Simulate a user who deletes all checkpoints."""
        self._view = self._of(())

    def archive(self, token: str) -> Path:
        raise AssertionError("a campaign archives nothing")

    def discard_archive(self, token: str) -> None:
        return


class MemoryResults:
    """The results tree in memory.

    Attributes:
        brought: Kernels fetched from the world, by slug.
        listed: Whether its folders can be listed.
    """

    def __init__(self) -> None:
        self.brought: dict[str, Kernel] = {}
        self.listed = False

    def folder(self, owner: str, slug: str) -> Path:
        return RESULTS / slug

    def taken(self, owner: str) -> Sequence[str]:
        return tuple(self.brought) if self.listed else ()

    def manifest(self, folder: Path) -> tuple[Manifest | None, tuple[str, ...]]:
        kernel = self.brought.get(folder.name)
        return (kernel.manifest if kernel else None), ()

    def author(self, folder: Path, section_dir: str, scenario: str) -> Ticket | None:
        kernel = self.brought.get(folder.name)
        return kernel.ticket if kernel else None

    def evaluations(self, folder: Path) -> tuple[tuple[int, float], ...]:
        kernel = self.brought.get(folder.name)
        return kernel.evaluations if kernel else ()

    def discard_foreign_manifest(self, folder: Path, nonce: str) -> None:
        """Nothing is stale here."""

    def manifest_sha256(self, folder: Path) -> str:
        return hashlib.sha256(folder.name.encode()).hexdigest()

    def stretch(self, record: SessionRecord) -> SessionCurve | None:
        start, done = record.steps_begun, record.steps_done
        return None if start is None else SessionCurve(steps_start=start, steps_seen=done or start)

    def incoming(self, folder: Path, ticket: Ticket) -> FetchedCheckpoints:
        kernel = self.brought.get(folder.name)
        own = kernel is not None and kernel.ticket.nonce == ticket.nonce
        cards = (kernel.card,) if kernel is not None and own and kernel.card is not None else ()
        return FetchedCheckpoints(root=folder, verified=cards, entries=tuple(_entries(cards)))


def _entries(cards: Sequence[CheckpointCard]) -> Iterator[FileEntry]:
    for card in cards:
        for file in card.files:
            yield FileEntry(path=f"{CHECKPOINTS}/{file.path}", size_bytes=file.size_bytes, sha256=file.sha256)


class MemoryCode:
    def __init__(self, digest: str) -> None:
        self._bundle = Bundle(digest=digest, archive=b"", archive_sha256="0" * 64, names=())

    def bundle(self, card: SectionCard) -> Bundle:
        return self._bundle

    def template(self) -> str:
        return "SESSION = {{ session }}\n"


class FusedLedger(SqliteLedger):
    """The real ledger; the program may be killed just before or just after each transaction."""

    def __init__(self, path: Path, world: World) -> None:
        super().__init__(path)
        self._world = world

    def record(self, *events: Event) -> None:
        self._world.act()
        super().record(*events)
        self._world.act()


class FreeLease:
    """A lease that is always free."""

    def take(self) -> bool:
        return True

    def holds(self) -> bool:
        return True

    def release(self) -> None:
        return


class Computer:
    """One working copy with a ledger of its own.

    Args:
        others: Backend -> its world, for a campaign on several backends; `world` is that of the rest.
    """

    def __init__(
        self,
        world: World,
        campaign: Campaign,
        trials: tuple[Trial, ...],
        *,
        code: str = "b" * 64,
        others: Mapping[str, World] | None = None,
        lease: Lease | None = None,
    ) -> None:
        self.world = world
        self.listener = Listener()
        self.results = MemoryResults()
        self.models: dict[str, MemoryModels] = {}
        self.ledger = FusedLedger(Path(":memory:"), world)
        searches = any(group.search for group in campaign.trials.values())
        searching = SearchReplay(campaign, CARDS, self.ledger, self.results, OptunaProposer) if searches else None
        backend, store = SimBackend(world, self.results.brought), MemoryCode(code)

        def new_context(lineage_id: str) -> RunContext:
            self.models[lineage_id] = MemoryModels(lineage_id[:8])
            return RunContext(
                backend=backend,
                clock=world.clock,
                ledger=self.ledger,
                models=self.models[lineage_id],
                results=self.results,
                code=store,
                narrator=self.listener,
                draw_token=world.draw_token,
                version="0",
            )

        def run_context(card: SectionCard, name: str) -> RunContext:
            lineage_id = card.lineage.id
            if lineage_id not in context:
                context[lineage_id] = new_context(lineage_id)
            if list(campaign.limits) == ["local"]:
                return context[lineage_id]
            kaggle = card.kaggle if name == "kaggle" else None
            far = SimBackend((others or {}).get(name, world), self.results.brought, kaggle, name)
            return replace(context[lineage_id], backend=far)

        context: dict[str, RunContext] = {}
        self.context = CampaignContext(
            campaign=campaign,
            trials=searching.trials() if searching else trials,
            ledger=self.ledger,
            clock=world.clock,
            lease=lease or FreeLease(),
            run_context=run_context,
            card_of=CARDS,
            code_digest=lambda card: code,
            searching=searching,
        )
        self.ticker = CampaignTicker(self.context)

    def tick(self, *, new_program: bool = True, recovering: bool = False) -> TickReport | None:
        """Run one tick, by default in a new program without memory; None if it was killed."""
        if new_program:
            if self.context.searching is not None:
                searching = SearchReplay(self.context.campaign, CARDS, self.ledger, self.results, OptunaProposer)
                self.context = replace(self.context, searching=searching, trials=searching.trials())
            self.ticker = CampaignTicker(self.context, recovering=recovering)
        return self._unless_killed(self.ticker.tick)

    def recover(self) -> None:
        self._unless_killed(lambda: recover(self.context))

    def _unless_killed(self, act: Callable[[], Answer]) -> Answer | None:
        try:
            return act()
        except Killed:
            return None


def carried_through(
    computer: Computer, *, most_ticks: int = 10_000, new_program: bool = True
) -> tuple[TickReport, int]:
    """Tick until the campaign is over, moving the clock to each next event; returns the last report and tick count."""
    world, clock = computer.world, computer.world.clock
    for count in range(1, most_ticks + 1):
        ticked = computer.tick(new_program=new_program)
        if ticked is not None and ticked.over:
            return ticked, count
        ahead_s = (world.next_end_s() or world.now_s) - world.now_s
        # With no live kernel, wait for the quota refresh in steps of six hours, so that a week needs few ticks.
        clock.sleep(max(ahead_s, 60.0 if ahead_s > 0 else 6 * 3600.0))
    raise AssertionError(f"not over after {most_ticks} ticks: {ticked and (ticked.waits, ticked.troubles)}")
