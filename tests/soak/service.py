"""The service of the soak: one account whose kernels run on a virtual clock, with outputs on disk.

It judges every push, since it knows what each session has really saved. It can be pickled: a killed program leaves it
to the next one.
"""

from __future__ import annotations

import random
import shutil
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from orchestrator.backends.kaggle.client.mapping import SaveAnswer, SaveRequest
from orchestrator.core.section.kaggle import MOST_SESSIONS
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.session.script import tickets_in
from orchestrator.core.session.settling import LONG_PAUSES_S
from orchestrator.core.session.time_budget import Quota
from orchestrator.kernel.wire import MANIFEST_NAME, Ticket
from tests.doubles.clock import FakeClock
from tests.soak.training import card_path, parts_of, train

ACCOUNT = "ana"
PERIOD_S = 24 * 3600.0
"""The quota is refreshed every day, so that three days see it spent several times."""
_HIDDEN_S = 60.0
"""Longest time that a new kernel stays invisible: within the window that the program knows."""
_LATE_S = sum(LONG_PAUSES_S) - 600.0
"""Longest delay of outputs: within the program's patience."""
_SURELY_WROTE_S = 1800.0


@dataclass(kw_only=True)
class Kernel:
    """One kernel.

    Attributes:
        visible_s: Before this moment it answers 404.
        whole_s: Before this moment its listing lacks files.
        files: Paths of its outputs.
    """

    slug: str
    number: int
    lineage_id: str
    nonce: str
    gpu: bool
    born_s: float
    visible_s: float
    ends_s: float
    whole_s: float
    granted_s: float
    state: str
    finished: bool
    steps: int
    progressed: bool
    log: str
    folder: Path
    files: tuple[str, ...]


@dataclass
class Service:
    """One account.

    Attributes:
        folder: For sources and outputs.
        rate: Share of calls, sessions and ticks that meet a fault.
        quota_s: GPU seconds in each period.
        wrongs: Pushes that should not have been, in words.
        faults: Injected faults, by name.
    """

    folder: Path
    clock: FakeClock
    rng: random.Random
    rate: float
    quota_s: float
    kernels: dict[str, Kernel] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)
    calls: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    models: dict[str, Path] = field(default_factory=dict)

    @property
    def now_s(self) -> float:
        return self.clock.monotonic()

    def draws(self, what: str, rate: float | None = None) -> bool:
        """Whether this fault happens now."""
        happens = self.rng.random() < (self.rate if rate is None else rate)
        self.faults[what] += happens
        return happens

    def save(self, wanted: SaveRequest) -> SaveAnswer:
        """Save and run a kernel, unless a limit of the account refuses it."""
        kind = SessionKind.GPU if wanted.gpu else SessionKind.CPU
        if len([one for one in self.running() if one.gpu == wanted.gpu]) >= MOST_SESSIONS[kind]:
            return refused(f"Maximum batch {kind.value.upper()} session count of {MOST_SESSIONS[kind]} reached.")
        if wanted.gpu and self.quota().left_s <= 0:
            return refused("Maximum weekly GPU quota of 30.00 hours has been reached.")
        (ticket,) = tickets_in(wanted.source)
        self._judge(wanted.slug, ticket)
        self.kernels[wanted.slug] = self._started(wanted, ticket)
        return SaveAnswer(ref=f"{ACCOUNT}/{wanted.slug}", version=1)

    def _judge(self, slug: str, ticket: Ticket) -> None:
        before = [one for one in self.kernels.values() if one.lineage_id == ticket.lineage_id]
        saved, given = max((one.steps for one in before), default=0), _steps_given(ticket)
        wrongs = {
            "was pushed twice": slug in self.kernels,
            "repeats a nonce": any(one.nonce == ticket.nonce for one in self.kernels.values()),
            "was pushed beside a running kernel": any(one.ends_s > self.now_s for one in before),
            f"starts at {given} steps, and {saved} are saved": given < saved,
            "was pushed after the end of its training": any(one.finished for one in before),
        }
        self.wrongs += [f"{slug} at {self.now_s / 3600:.2f} h {wrong}" for wrong, found in wrongs.items() if found]

    def _started(self, wanted: SaveRequest, ticket: Ticket) -> Kernel:
        folder = self.folder / wanted.slug
        shutil.rmtree(folder, ignore_errors=True)
        outputs, number = folder / "outputs", len(self.kernels) + 1
        outputs.mkdir(parents=True)
        (folder / "source.py").write_text(wanted.source, encoding="utf-8")
        given = [one for one in ticket.inputs if one.sha256 in self.models]
        parent = self.models[given[-1].sha256] if given else None
        start = _steps_given(ticket)
        done = train(outputs, ticket, number, parent, self.clock.now(), cut_after=self._cut(ticket, start))
        if done.saved is not None:
            self.models[done.saved.files[0].sha256] = card_path(outputs, ticket, done.saved)
        ends_s = self.now_s + done.lasted_s
        return Kernel(
            slug=wanted.slug,
            number=number,
            lineage_id=ticket.lineage_id,
            nonce=ticket.nonce,
            gpu=wanted.gpu,
            born_s=self.now_s,
            visible_s=self.now_s + (self.rng.uniform(0, _HIDDEN_S) if self.draws("hidden kernel") else 0.0),
            ends_s=ends_s,
            whole_s=ends_s + self._late_s(whole=(outputs / MANIFEST_NAME).exists(), lasted_s=done.lasted_s),
            granted_s=float(ticket.spec["deadline_s"]),
            state="COMPLETE" if (outputs / MANIFEST_NAME).exists() else "ERROR",
            finished=done.finished,
            steps=done.steps,
            progressed=done.steps > start,
            log=done.log,
            folder=folder,
            files=tuple(sorted(path.relative_to(outputs).as_posix() for path in outputs.rglob("*") if path.is_file())),
        )

    def _late_s(self, *, whole: bool, lasted_s: float) -> float:
        """Seconds for which a kernel shows no outputs.

        A short session that died and shows not even a log counts as one that wrote none: its outputs come at once.
        """
        late = self.draws("late outputs") and (whole or lasted_s > _SURELY_WROTE_S)
        return self.rng.uniform(0, _LATE_S) if late else 0.0

    def _cut(self, ticket: Ticket, start: int) -> int | None:
        """After how many checkpoints a session is cut, None if it is not.

        After two sessions in a row without a step the program would walk back: the second one is not cut so early.
        """
        parts = parts_of(ticket, start)
        if not parts or not self.draws("cut session"):
            return None
        last = [one for one in self.kernels.values() if one.lineage_id == ticket.lineage_id][-1:]
        return self.rng.randrange(int(bool(last) and not last[0].progressed), parts + 1)

    def running(self) -> list[Kernel]:
        """Kernels that run now."""
        return [one for one in self.kernels.values() if one.ends_s > self.now_s]

    def visible(self, slug: str) -> Kernel | None:
        """A kernel that the service shows."""
        kernel = self.kernels.get(slug)
        return kernel if kernel is not None and kernel.visible_s <= self.now_s else None

    def quota(self) -> Quota:
        """The GPU quota of this period. A running kernel reserves its whole time."""
        since_s = self.now_s // PERIOD_S * PERIOD_S
        of_gpu = [one for one in self.kernels.values() if one.gpu and one.born_s >= since_s]
        return Quota(
            resource="GPU",
            used_s=sum(one.ends_s - one.born_s for one in of_gpu if one.ends_s <= self.now_s),
            reserved_s=sum(one.granted_s for one in of_gpu if one.ends_s > self.now_s),
            allowed_s=self.quota_s,
            refresh_at=FakeClock().now() + timedelta(seconds=since_s + PERIOD_S),
        )


def refused(message: str) -> SaveAnswer:
    """A refusal inside an HTTP 200 answer."""
    return SaveAnswer(ref="", version=None, error=message)


def _steps_given(ticket: Ticket) -> int:
    names = (one.path for one in ticket.inputs)
    return max((int(name.rsplit("_", 2)[1]) for name in names if name.endswith("_steps.zip")), default=0)
