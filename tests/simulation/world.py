"""A simulated backend on a virtual clock: an account with slots and a weekly quota; kernels compute their steps.

It records what a campaign must never do: keep two kernels of one training alive, push a slug twice, or exceed a
week's quota.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from orchestrator.core.errors import NameTaken, NotYet, OutcomeUnknown, RemoteUnavailable
from orchestrator.core.section.kaggle import CORES, GPUS, KaggleSettings
from orchestrator.core.section.session_kind import SessionKind
from orchestrator.core.session.backend_types import (
    Carrier,
    CheckpointSet,
    Handle,
    Observation,
    Push,
    RemoteSession,
    Retrieval,
    SessionState,
)
from orchestrator.core.session.capabilities import Capabilities
from orchestrator.core.session.machine import Machine
from orchestrator.core.session.pack import member_of, require_whole_kernel, sessions_of
from orchestrator.core.session.time_budget import Quota
from orchestrator.kernel.checkpoint.card import Ancestor, CheckpointCard
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.reporting.evaluation import EVALUATED
from orchestrator.kernel.session.manifest import Manifest
from orchestrator.kernel.wire import (
    STATE_SUFFIX,
    FileEntry,
    Ticket,
    checkpoint_stem,
    report_line,
)
from orchestrator.ports import Backend
from tests.doubles.clock import FakeClock

START_S, SAVE_S = 120.0, 180.0
WEEK_S = 7 * 86_400.0
HIDDEN_S, VISIBILITY_S = 30.0, 90.0


class Killed(BaseException):
    """Raised where the program is killed, as by kill -9."""


@dataclass
class Kernel:
    """One kernel: its ticket, its lifetime and its outputs."""

    ticket: Ticket
    born_s: float
    ends_s: float
    week: int
    card: CheckpointCard | None
    manifest: Manifest | None
    start_steps: int = 0
    rate: float = 1.0
    evaluations: tuple[tuple[int, float], ...] = ()
    kind: SessionKind = SessionKind.GPU
    machine: Machine | None = None
    pack: str = ""
    charged: bool = True

    @property
    def granted_s(self) -> float:
        return float(self.ticket.spec["deadline_s"])

    def evaluations_by(self, now_s: float) -> tuple[tuple[int, float], ...]:
        """Evaluations that its log shows at this time."""
        trained_s = min(now_s, self.ends_s) - self.born_s - START_S
        return tuple(point for point in self.evaluations if (point[0] - self.start_steps) / self.rate <= trained_s)


@dataclass
class World:
    """One account.

    Attributes:
        slots: Kernels that may be alive at the same time.
        weekly_s: Weekly quota in seconds; None for no quota.
        kind_slots: Kind -> kernels of it that may be alive at the same time; empty for one limit on all.
        faster: Kind -> factor on `speed` in its sessions; 1 without it.
        speed: Lineage id -> steps per second.
        score: Score of an evaluation, from ticket and steps; None for trainings without evaluations.
        can_cancel: Whether a kernel can be cancelled.
        fate: Outcomes of the next kernels: "crash" (no outputs), "half" (a checkpoint, no manifest), or normal.
        doomed: Lineage id -> number of its next kernels that crash.
        verdicts: Verdicts of the next finished trainings; later ones are SUPPORTED.
        lose: For the next submits: the answer is lost "before" or "after" the submit is carried out.
        blind: For the next `observe` calls: "fault", "absent", or "word" (an unknown state).
        listed_after_s: Seconds until a new kernel is listed; None if listing fails.
        away: Whether it cannot be reached at all.
        fuse: Number of further actions until the running program is killed; None for never.
        living: Lineage id -> its live kernel.
        others: The worlds of the other backends.
        wrongs: Violations of the rules above, in words.
    """

    clock: FakeClock
    slots: int = 2
    weekly_s: float | None = 30 * 3600.0
    kind_slots: dict[SessionKind, int] = field(default_factory=dict)
    faster: dict[SessionKind, float] = field(default_factory=dict)
    speed: Callable[[str], float] = lambda lineage_id: 10.0
    score: Callable[[Ticket, int], float] | None = None
    can_cancel: bool = False
    hidden_s: float = HIDDEN_S
    fate: list[str] = field(default_factory=list)
    doomed: dict[str, int] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    lose: list[str] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)
    listed_after_s: float | None = HIDDEN_S
    away: bool = False
    fuse: int | None = None
    kernels: dict[str, Kernel] = field(default_factory=dict)
    packs: dict[str, list[Kernel]] = field(default_factory=dict)
    cards: dict[tuple[str, int], CheckpointCard] = field(default_factory=dict)
    living: dict[str, Kernel] = field(default_factory=dict)
    others: list[World] = field(default_factory=list, repr=False)
    used_s: dict[int, float] = field(default_factory=dict)
    submits: int = 0
    calls: int = 0
    tokens: int = 0
    wrongs: list[str] = field(default_factory=list)

    @property
    def now_s(self) -> float:
        return self.clock.monotonic()

    def draw_token(self) -> str:
        """A token that no other computer has drawn."""
        self.tokens += 1
        return f"{self.tokens:032x}"

    @property
    def week(self) -> int:
        return int(self.now_s // WEEK_S)

    def act(self) -> None:
        """Count one external action; raise `Killed` when the fuse has run out."""
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse <= 0:
                self.fuse = None
                raise Killed

    def alive(self) -> list[Kernel]:
        now_s = self.now_s
        for lineage_id in [lineage_id for lineage_id, kernel in self.living.items() if kernel.ends_s <= now_s]:
            self._end(lineage_id)
        return list(self.living.values())

    def _end(self, lineage_id: str) -> None:
        kernel = self.living.pop(lineage_id)
        if not kernel.charged:
            return
        # The unused part of the reservation returns to the week in which it was made.
        if kernel.kind is SessionKind.GPU:
            self.used_s[kernel.week] -= kernel.granted_s - (kernel.ends_s - kernel.born_s)

    def next_end_s(self) -> float | None:
        return min((kernel.ends_s for kernel in self.alive()), default=None)

    def submit(self, push: Push) -> None:
        kind = SessionKind.CPU if push.machine is not None and push.machine.accelerator is None else SessionKind.GPU
        alive = [kernel for kernel in self.alive() if not self.kind_slots or kernel.kind is kind]
        slots = self.kind_slots.get(kind, self.slots)
        if len({kernel.pack or id(kernel) for kernel in alive}) >= slots:
            raise NotYet(f"all {slots} slots are taken", wait_s=120.0)
        wall_s = float(push.ticket.spec["deadline_s"])
        if push.slug in self.kernels or push.slug in self.packs:
            self.wrongs.append(f"{push.slug} was pushed twice")
        if kind is SessionKind.GPU:
            self.used_s[self.week] = self.used_s.get(self.week, 0.0) + wall_s
        if self.weekly_s is not None and self.used_s.get(self.week, 0.0) > self.weekly_s + 1e-6:
            self.wrongs.append(f"week {self.week} holds {self.used_s[self.week]} s")
        self.submits += 1
        started = [self._started(one, kind, wall_s) for one in push.sessions]
        if len(started) == 1:
            self.kernels[push.slug] = started[0]
            return
        self.packs[push.slug] = started
        longest = max(started, key=lambda kernel: kernel.ends_s)
        for kernel in started:  # a kernel ends with its longest session, and uses quota once
            kernel.pack, kernel.charged, kernel.ends_s = push.slug, kernel is longest, longest.ends_s

    def _started(self, push: Push, kind: SessionKind, wall_s: float) -> Kernel:
        ticket = push.ticket
        if any(ticket.lineage_id in other.living for other in self.others if other.alive()):
            self.wrongs.append(f"{ticket.lineage_id[:8]} has another kernel on another backend")
        if ticket.lineage_id in self.living:
            self.wrongs.append(f"two kernels of {ticket.lineage_id[:8]} are alive")
            self._end(ticket.lineage_id)
        kernel = self._kernel(ticket, wall_s, self.speed(ticket.lineage_id) * self.faster.get(kind, 1.0))
        kernel.kind, kernel.machine = kind, push.machine
        self.living[ticket.lineage_id] = kernel
        return kernel

    def at(self, handle: Handle) -> Kernel | None:
        """What a handle names; of a pack's kernel its first session."""
        pack = self.packs.get(handle.slug)
        return self.kernels.get(handle.slug) if pack is None else pack[(handle.member or 1) - 1]

    def _kernel(self, ticket: Ticket, wall_s: float, rate: float) -> Kernel:
        now_s, week = self.now_s, self.week
        target = int(ticket.spec["target_steps"])
        start = max((_steps_in(entry.path) for entry in ticket.inputs), default=0)
        fate = self.fate.pop(0) if self.fate else ""
        if self.doomed.get(ticket.lineage_id):
            self.doomed[ticket.lineage_id] -= 1
            fate = "crash"
        done = min(target, start + max(0, int((wall_s - START_S - SAVE_S) * rate)))
        used_s = START_S + (done - start) / rate + SAVE_S
        if fate == "crash":
            return Kernel(ticket, now_s, now_s + used_s / 2, week, None, None)
        if fate == "half":
            half = start + (done - start) // 2
            kernel = Kernel(ticket, now_s, now_s + used_s / 2, week, self._saved(ticket, half, start), None)
            done = half
        else:
            ending = KernelEnding.FINISHED if done >= target else KernelEnding.PAUSED
            manifest = self._manifest(ticket, ending, start, done, used_s)
            card = self._saved(ticket, done, start)
            kernel = Kernel(ticket, now_s, now_s + used_s, week, card, manifest)
        kernel.start_steps, kernel.rate = start, rate
        kernel.evaluations = tuple(self._evaluated(ticket, start, done))
        return kernel

    def named(self, prefix: str, *, born_by_s: float) -> list[str]:
        """Slugs with this prefix, of kernels pushed by `born_by_s`."""
        firsts = {**self.kernels, **{name: pack[0] for name, pack in self.packs.items()}}
        return [name for name, kernel in firsts.items() if name.startswith(prefix) and kernel.born_s <= born_by_s]

    def cancel(self, slug: str) -> None:
        """Let the kernel save and end."""
        for kernel in self.packs.get(slug) or [self.kernels[slug]]:
            self._cancel(kernel)

    def _cancel(self, kernel: Kernel) -> None:
        if kernel.ends_s <= self.now_s + SAVE_S:
            return
        kernel.ends_s = self.now_s + SAVE_S
        done = kernel.start_steps + max(0, int((self.now_s - kernel.born_s - START_S) * kernel.rate))
        used_s = kernel.ends_s - kernel.born_s
        kernel.evaluations = tuple(point for point in kernel.evaluations if point[0] <= done)
        kernel.card = self._saved(kernel.ticket, done, kernel.start_steps) if done else None
        kernel.manifest = self._manifest(kernel.ticket, KernelEnding.STOPPED, kernel.start_steps, done, used_s)

    def _manifest(self, ticket: Ticket, ending: KernelEnding, start: int, done: int, used_s: float) -> Manifest:
        outcome = SectionOutcome(
            ending=ending,
            steps_start=start,
            steps_done=done,
            verdict=(self.verdicts.pop(0) if self.verdicts else Verdict.SUPPORTED)
            if ending is KernelEnding.FINISHED
            else None,
            training={
                "policy_digest_after": hashlib.sha256(f"{ticket.lineage_id} {done}".encode()).hexdigest(),
                "best_model_score": max((score for _, score in self._evaluated(ticket, 0, done)), default=None),
            },
        )
        return Manifest(
            stamp=ticket.stamp(),
            spec=dict(ticket.spec),
            started_at=self.clock.now().isoformat(),
            ended_at=(self.clock.now() + timedelta(seconds=used_s)).isoformat(),
            exit_code=0,
            error=None,
            outcome=outcome,
            inputs=ticket.inputs,
            files=(),
            timings_s={"wall": used_s},
        )

    def _evaluated(self, ticket: Ticket, start: int, done: int) -> Iterator[tuple[int, float]]:
        """Evaluations between two step counts."""
        every = int(ticket.spec["evaluate_every_steps"])
        for steps in range((start // every + 1) * every, done + 1, every) if self.score else ():
            yield steps, self.score(ticket, steps)

    def _saved(self, ticket: Ticket, steps: int, start: int) -> CheckpointCard:
        card = _card(ticket, steps, self.cards.get((ticket.lineage_id, start)))
        return self.cards.setdefault((ticket.lineage_id, steps), card)


def _steps_in(path: str) -> int:
    return int(path.rsplit("_", 2)[1]) if path.endswith("_steps.zip") else 0


def _card(ticket: Ticket, steps: int, parent: CheckpointCard | None) -> CheckpointCard:
    stem = checkpoint_stem(str(ticket.spec["scenario"]), steps)
    lineage = ticket.spec["lineage"]
    sha256 = hashlib.sha256(f"{ticket.lineage_id} {steps}".encode()).hexdigest()
    names = ("section", "algorithm", "network", "hyper_parameters", "environment", "seed")
    identity = {**{name: lineage[name] for name in names}, "versions": {}, "code_digest": ticket.bundle_digest}
    ancestry = (*parent.ancestry, Ancestor(steps=parent.steps, digest=parent.digest)) if parent else ()
    return CheckpointCard(
        stem=stem,
        scenario=str(ticket.spec["scenario"]),
        steps=steps,
        files=tuple(FileEntry(path=stem + suffix, size_bytes=1, sha256=sha256) for suffix in (".zip", STATE_SUFFIX)),
        identity={**identity, "device_class": "cpu"},
        stamp=ticket.stamp(),
        saved_at="",
        ancestry=ancestry,
    )


class SimBackend(Backend):
    """A backend on a simulated world; fetched kernels go into `brought`, by slug.

    Args:
        kaggle: Settings of its sessions on a backend that calls itself Kaggle; None for a backend without kinds.
        name: Of a backend without kinds.
    """

    name = "local"

    def __init__(
        self, world: World, brought: dict[str, Kernel], kaggle: KaggleSettings | None = None, name: str = "local"
    ) -> None:
        self._world = world
        self._kaggle = kaggle
        self.name = name if kaggle is None else "kaggle"
        self._brought = brought
        self._capabilities = Capabilities(
            owner="ana",
            device="virtual",
            max_script_bytes=1 << 20,
            max_wall_s=12 * 3600.0,
            look_every_s=(10.0, 60.0),
            can_cancel=world.can_cancel,
            carriers=(Carrier.DATASET,),
            runtime_versions={},
            absent_patience_s=1800.0,
            visibility_s=VISIBILITY_S,
            session_device=kaggle.session_device if kaggle else "cpu",
            cores=CORES if kaggle else 1,
            gpus=GPUS if kaggle and kaggle.gpu else 0,
        )

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def prepare(self, ticket: Ticket, script: str, checkpoints: CheckpointSet, slug: str, carrier: Carrier) -> Push:
        push = Push(slug=slug, owner="ana", script=script, ticket=ticket, carrier=carrier, checkpoints=checkpoints)
        if self._kaggle is None:
            return push
        return replace(push, machine=Machine(accelerator=self._kaggle.accelerator if self._kaggle.gpu else None))

    def machine(self, handle: Handle) -> Machine | None:
        kernel = self._world.kernels.get(handle.slug)
        return kernel.machine if kernel else None

    def stage(self, push: Push) -> None:
        kernel = self._visible_kernel(push.slug)
        if kernel is not None and kernel.ticket.nonce != push.ticket.nonce:
            raise NameTaken(f"{push.slug} already belongs to another session")

    def submit(self, push: Push) -> Handle:
        self._call()
        how = self._world.lose.pop(0) if self._world.lose else ""
        if how == "before":
            raise OutcomeUnknown("the connection broke")
        self._world.submit(push)
        self._world.act()
        if how == "after":
            raise OutcomeUnknown("the answer was lost")
        return self._handle(push.slug)

    def find(self, ticket: Ticket, slug: str) -> Handle | None:
        kernel = self._visible_kernel(slug)
        return None if kernel is None else member_of(self._handle(slug), self._tickets(slug), ticket.nonce)

    def read(self, slug: str) -> RemoteSession | None:
        return next(iter(self.read_all(slug)), None)

    def read_all(self, slug: str) -> Sequence[RemoteSession]:
        kernel = self._visible_kernel(slug)
        if kernel is None:
            return []
        begun_at = FakeClock().now() + timedelta(seconds=kernel.born_s)
        return sessions_of(self._handle(slug), self._tickets(slug), begun_at=begun_at, machine=kernel.machine)

    def _tickets(self, slug: str) -> list[Ticket]:
        return [kernel.ticket for kernel in self._world.packs.get(slug, ()) or [self._world.kernels[slug]]]

    def names(self, prefix: str) -> Sequence[str]:
        self._call()
        world = self._world
        if world.listed_after_s is None:
            raise RemoteUnavailable("the listing answers 500", transient=True)
        return world.named(prefix, born_by_s=world.now_s - world.listed_after_s)

    def observe(self, handle: Handle) -> Observation:
        self._call()
        how = self._world.blind.pop(0) if self._world.blind else ""
        if how == "fault":
            raise RemoteUnavailable("503", transient=True)
        kernel = self._world.at(handle)
        if kernel is None or how == "absent" or self._world.now_s - kernel.born_s < self._world.hidden_s:
            return Observation(state=SessionState.ABSENT, native="404")
        if how == "word":
            return Observation(state=SessionState.UNKNOWN, native="PONDERING")
        if kernel.ends_s > self._world.now_s:
            return Observation(state=SessionState.RUNNING, native="RUNNING")
        return Observation(state=SessionState.ENDED, native="COMPLETE")

    def follow(self, handle: Handle, cursor: int) -> Iterator[tuple[str, int]]:
        self._call()
        kernel = self._world.at(handle)
        assert kernel is not None
        evaluations = kernel.evaluations_by(self._world.now_s)
        lines = [report_line(EVALUATED, steps=steps, score=score) for steps, score in evaluations]
        return ((line, number) for number, line in enumerate(lines[cursor:], start=cursor + 1))

    def fetch(self, handle: Handle, into: Path) -> Retrieval:
        self._call()
        kernel = self._world.at(handle)
        assert kernel is not None
        self._brought[into.name] = kernel
        return Retrieval(folder=into)

    def cancel(self, handle: Handle, session_id: int | None = None) -> None:
        assert self._world.can_cancel, "it cannot be cancelled"
        require_whole_kernel(handle, "stopped")
        self._call()
        self._world.cancel(handle.slug)

    def quota(self) -> Quota | None:
        world = self._world
        if world.weekly_s is None or (self._kaggle is not None and not self._kaggle.gpu):
            return None
        self._call()
        alive = [kernel for kernel in world.alive() if kernel.kind is SessionKind.GPU]
        # `used_s` includes reservations; a kernel of last week reserves nothing in this week.
        held_s = sum(kernel.granted_s for kernel in alive if kernel.week == world.week and kernel.charged)
        used_s = world.used_s.get(world.week, 0.0) - held_s
        refresh_at = FakeClock().now() + timedelta(seconds=(world.week + 1) * WEEK_S)
        return Quota(resource="GPU", used_s=used_s, reserved_s=held_s, allowed_s=world.weekly_s, refresh_at=refresh_at)

    def _visible_kernel(self, slug: str) -> Kernel | None:
        self._call()
        kernel = self._world.at(self._handle(slug))
        hidden = kernel is not None and self._world.now_s - kernel.born_s < self._world.hidden_s
        return None if hidden else kernel

    def _call(self) -> None:
        self._world.calls += 1
        self._world.act()
        if self._world.away:
            raise RemoteUnavailable("no route to host", transient=True)

    def _handle(self, slug: str) -> Handle:
        return Handle(backend=self.name, owner="ana", slug=slug)
