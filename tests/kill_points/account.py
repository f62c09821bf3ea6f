"""An account on Kaggle in memory that can be copied: several trainings, packs, sessions that can be stopped."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.backends.kaggle.client.mapping import SaveAnswer, SaveRequest
from orchestrator.core.session.script import tickets_in
from orchestrator.kernel.wire import MANIFEST_NAME, PACK_NAME, Ticket, checkpoint_steps, member_folder, member_mark
from tests.kill_points.observer import Observer
from tests.kill_points.scenario import DUPLICATED, LOST, Fault
from tests.simulation.kaggle_outputs import Kernel, ToyKaggle


@dataclass
class Account(ToyKaggle):
    """One account. The first session of each training pauses, the next one finishes.

    Attributes:
        first: How the first session of a training ends.
        pushed: Slug and nonce of each session of each push.
        members: Slug of a kernel -> its sessions.
        tokens: How many random tokens were drawn: no two are equal, in no history.
    """

    first: str = "pause"
    pushed: list[tuple[str, str]] = field(default_factory=list)
    members: dict[str, list[Kernel]] = field(default_factory=dict)
    tokens: int = 0

    def draw_token(self) -> str:
        """A token that was never drawn before."""
        self.tokens += 1
        return hashlib.sha256(str(self.tokens).encode()).hexdigest()[:32]

    def save_kernel(self, wanted: SaveRequest) -> SaveAnswer:
        """Save and run a kernel of one or several sessions."""
        tickets = tickets_in(wanted.source)
        for ticket in tickets:
            self.pushed.append((wanted.slug, ticket.nonce))
            self._judge(ticket)
        self.members[wanted.slug] = [self._session(wanted, ticket, len(tickets)) for ticket in tickets]
        self.kernels[wanted.slug] = _together(wanted.slug, self.members[wanted.slug])
        return SaveAnswer(ref=f"{self.account}/{wanted.slug}", version=1)

    def _session(self, wanted: SaveRequest, ticket: Ticket, count: int) -> Kernel:
        self.fates = [self.first if ticket.session == 1 else "finish"]
        name = wanted.slug if count == 1 else f"{wanted.slug}-{ticket.nonce}"
        shutil.rmtree(self.folder / name, ignore_errors=True)
        kernel = self._kernel(name, ticket, wanted)
        shutil.rmtree(self.folder / name)
        return kernel

    def _judge(self, ticket: Ticket) -> None:
        before = [one for many in self.members.values() for one in many if one.ticket.lineage_id == ticket.lineage_id]
        given = max((checkpoint_steps(entry.path.rpartition("/")[2][:-4]) or 0 for entry in ticket.inputs), default=0)
        name = f"session {ticket.session} of {ticket.lineage_id[:8]}"
        if any(kernel.ends_s > self.clock.monotonic() for kernel in before):
            self.wrongs.append(f"{name} was pushed beside a running one")
        if given < (saved := max((kernel.card.steps for kernel in before if kernel.card is not None), default=0)):
            self.wrongs.append(f"{name} starts at {given} steps, and {saved} are saved")
        if any(MANIFEST_NAME in one.files and one.steps >= ticket.spec["target_steps"] for one in before):
            self.wrongs.append(f"{name} was pushed after the end of the training")

    def cancel_session(self, session_id: int) -> str:
        """Stop a session now; a kernel alone, since packs are not stopped here."""
        kernel = next(one for one in self.kernels.values() if one.number == session_id)
        if kernel.ends_s > self.clock.monotonic():
            kernel.ends_s, kernel.state = self.clock.monotonic(), "CANCEL_ACKNOWLEDGED"
        return ""

    def log_events(self, owner: str, slug: str, **patience: float) -> Iterator[Mapping[str, Any]]:
        """The log; of a running kernel its first line, and then time passes."""
        return super().log_events(owner, slug, most_s=min(patience.values(), default=0.0))

    def next_end_s(self) -> float | None:
        """Seconds until the next kernel ends."""
        left = [one.ends_s - self.clock.monotonic() for one in self.kernels.values()]
        return min((one for one in left if one > 0), default=None)

    def faults(self, sessions: int) -> Iterator[Fault]:
        """What must never happen.

        Args:
            sessions: How many an undisturbed run pushes.
        """
        for place, name in enumerate(("slug and nonce", "nonce")):
            counted = Counter(one if not place else one[1] for one in self.pushed)
            for key, count in counted.items():
                if count > 1:
                    yield DUPLICATED, f"{name} {key} was pushed {count} times"
        if len(self.pushed) > sessions:
            yield DUPLICATED, f"{len(self.pushed)} sessions instead of {sessions}: {self.pushed}"
        elif len(self.pushed) < sessions:
            yield LOST, f"{len(self.pushed)} sessions instead of {sessions}"
        yield from ((DUPLICATED, wrong) for wrong in self.wrongs)

    def key(self) -> str:
        """Equal for equal accounts."""
        now_s = self.clock.monotonic()
        return repr([self.pushed, [(slug, one.state, one.ends_s <= now_s) for slug, one in self.kernels.items()]])


def _together(slug: str, members: list[Kernel]) -> Kernel:
    """A kernel with the outputs of all its sessions, as `orchestrator.kernel.pack` lays them out."""
    first = members[0]
    if len(members) == 1:
        return first
    files = {
        f"{member_folder(number)}/{path}": content
        for number, one in enumerate(members, 1)
        for path, content in one.files.items()
    }
    rows = {member_folder(number): {"exit_code": 0} for number in range(1, len(members) + 1)}
    files[PACK_NAME] = json.dumps({"side_by_side": len(members), "members": rows}).encode()
    log = "".join(
        f"{member_mark(number)}{line}\n" for number, one in enumerate(members, 1) for line in one.log.splitlines()
    )
    return Kernel(
        slug=slug,
        number=first.number,
        ticket=first.ticket,
        request=first.request,
        ends_s=first.ends_s,
        state="COMPLETE",
        steps=first.steps,
        card=None,
        files=files,
        log=log,
        troubles=[],
    )


class Calls:
    """The account as the backend calls it; each call is noted."""

    def __init__(self, account: Account, observer: Observer) -> None:
        self._account, self._observer = account, observer
        self.account = account.account

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._account, name)

        def call(*args: Any, **named: Any) -> Any:
            with self._observer.effect("call", name), self._observer.paused():
                return real(*args, **named)

        return call
