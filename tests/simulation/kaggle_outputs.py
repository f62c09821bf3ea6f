"""The API of Kaggle in memory, for the real backend: kernels of toy trainings whose outputs are hard to get.

A fault lasts for some time after its kernel's end. The service records every push that a further look would have
made needless: it knows what each kernel has really saved.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.mapping import KernelRecord, OutputFile, OutputPage, SaveAnswer, SaveRequest
from orchestrator.core.session.script import tickets_in
from orchestrator.core.session.time_budget import Quota
from orchestrator.kernel.checkpoint.card import CheckpointCard
from orchestrator.kernel.checkpoint.save import save_checkpoint
from orchestrator.kernel.outcome import KernelEnding, SectionOutcome, Verdict
from orchestrator.kernel.session.container import OPENED
from orchestrator.kernel.session.manifest import write_manifest
from orchestrator.kernel.wire import MANIFEST_NAME, Ticket, models_path, report_line
from tests.doubles.clock import FakeClock

RUNS_S, SHORT_S = 3600.0, 120.0


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """One fault of one kernel.

    Attributes:
        kind: `listing`, `manifest`, `checkpoint`, `file`, `log`, `state`, `record` or `zip`: what it makes hard to get.
        how: An HTTP status, 0 for no answer; or what is done with the content, by name.
        lasts_s: Until so many seconds after the end of the kernel.
        from_s: From so many seconds after its end.
        path: End of the path of the files that it concerns.
    """

    kind: str
    how: int | str
    lasts_s: float
    path: str = ""
    from_s: float = float("-inf")


@dataclass
class Kernel:
    """One kernel: what it was given, and what it has left."""

    slug: str
    number: int
    ticket: Ticket
    request: SaveRequest
    ends_s: float
    state: str
    steps: int
    card: CheckpointCard | None
    files: dict[str, bytes]
    log: str
    troubles: list[Trouble]
    asked: Counter[str] = field(default_factory=Counter)


@dataclass
class ToyKaggle:
    """One account.

    Attributes:
        folder: For the files of the kernels while they are made.
        fates: How the next kernels end: "finish", "pause", "die" (after a save, without a manifest), or "fail" to
            write anything.
        troubles: The faults of the next kernels.
        runs_s: How long the next kernels run; an hour without an entry.
        lose: For the next pushes: the answer is lost "before" or "after" the kernel is saved.
        rename: Whether the next kernel gets another slug than was asked for.
        wrongs: Pushes that should not have been, in words.
    """

    clock: FakeClock
    folder: Path
    account: str = "ana"
    fates: list[str] = field(default_factory=list)
    troubles: list[list[Trouble]] = field(default_factory=list)
    runs_s: list[float] = field(default_factory=list)
    lose: list[str] = field(default_factory=list)
    rename: bool = False
    kernels: dict[str, Kernel] = field(default_factory=dict)
    wrongs: list[str] = field(default_factory=list)
    cards: dict[str, CheckpointCard] = field(default_factory=dict)

    def save_kernel(self, wanted: SaveRequest) -> SaveAnswer:
        """Run a kernel; it has computed everything at once, and shows it at its end."""
        how = self.lose.pop(0) if self.lose else ""
        if how == "before":
            raise ServiceFault("push", status=None, message="ConnectionError")
        (ticket,) = tickets_in(wanted.source)
        self._judge_push(ticket)
        slug, self.rename = (f"notebook{len(self.kernels)}" if self.rename else wanted.slug), False
        self.kernels[slug] = self._kernel(slug, ticket, wanted)
        if how == "after":
            raise ServiceFault("push", status=None, message="ReadTimeout")
        return SaveAnswer(ref=f"{self.account}/{slug}", version=1)

    def _judge_push(self, ticket: Ticket) -> None:
        before = list(self.kernels.values())
        given = max((_steps(entry.path) for entry in ticket.inputs), default=0)
        saved = max((kernel.card.steps for kernel in before if kernel.card is not None), default=0)
        if any(kernel.ends_s > self.clock.monotonic() for kernel in before):
            self.wrongs.append(f"s{ticket.session:02d} was pushed beside a running kernel")
        if given < saved:
            self.wrongs.append(f"s{ticket.session:02d} starts at {given} steps, and {saved} are saved")
        if any(MANIFEST_NAME in one.files and one.steps >= ticket.spec["target_steps"] for one in before):
            self.wrongs.append(f"s{ticket.session:02d} was pushed after the end of the training")

    def _kernel(self, slug: str, ticket: Ticket, wanted: SaveRequest) -> Kernel:
        fate = self.fates.pop(0) if self.fates else "finish"
        start, parent, target = 0, None, int(ticket.spec["target_steps"])
        for one in ticket.inputs:
            if _steps(one.path) > start:
                parent, start = self.cards[one.sha256], _steps(one.path)
        done = start if fate == "fail" else min(target, start + 10) if fate in ("pause", "die") else target
        folder, number = self.folder / slug, len(self.kernels) + 1
        folder.mkdir(parents=True)
        lines = [report_line(OPENED, session_id=number), report_line("started", **ticket.stamp())]
        card = parent
        for steps in range(start + 10, done + 1, 10):
            card = _save(folder, ticket, steps, card)
            self.cards[card.files[0].sha256] = card
            lines.append(report_line("saved", steps=steps, checkpoint=card.stem))
        if fate in ("finish", "pause"):
            _commit(folder, ticket, start, done)
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        return Kernel(
            slug=slug,
            number=number,
            ticket=ticket,
            request=wanted,
            ends_s=self.clock.monotonic() + (self.runs_s.pop(0) if self.runs_s else RUNS_S),
            state="COMPLETE" if fate in ("finish", "pause") else "ERROR",
            steps=done,
            card=card,
            files=files,
            log="".join(f"{line}\n" for line in lines),
            troubles=self.troubles.pop(0) if self.troubles else [],
        )

    def kernel(self, owner: str, slug: str) -> KernelRecord | None:
        """A kernel as it was saved."""
        kernel = self.kernels.get(slug)
        if kernel is None:
            return None
        self._refuse(kernel, "record")
        return KernelRecord(source=kernel.request.source, version=1, private=True)

    def kernel_slugs(self) -> Iterator[str]:
        """Newest first."""
        yield from reversed(self.kernels)

    def status(self, owner: str, slug: str) -> tuple[str, str]:
        """The state, or the word of a fault."""
        kernel = self._found(slug)
        early = self._trouble(kernel, "early")
        if self._left_s(kernel) > 0:
            return ("COMPLETE" if early and self._left_s(kernel) < early.lasts_s else "RUNNING"), ""
        word = self._refuse(kernel, "state")
        return (str(word.how) if word else kernel.state), ""

    def output_page(self, owner: str, slug: str, token: str = "") -> OutputPage:
        """All outputs on one page, the second half of them on a second one."""
        kernel = self._found(slug)
        if self._left_s(kernel) > 0:
            return OutputPage(files=(), log="", next_token="")
        trouble = self._refuse(kernel, "listing")
        how = trouble.how if trouble else ""
        shown = list(self.kernels.values())[kernel.number - 2] if how == "stale" and kernel.number > 1 else kernel
        names = sorted(shown.files)
        if how == "partial":
            names = names[::2]
        names = [] if how == "empty" else [*names, *names] if how == "twice" else names
        half = len(names) // 2 if how != "short" else 1
        page = names[half:] if token else names[:half]
        files = tuple(OutputFile(path=name, url=json.dumps([shown.slug, name, token])) for name in page)
        log = "" if how in ("empty", "partial") or self._trouble(kernel, "log") else shown.log
        return OutputPage(files=files, log=log, next_token="" if token else "2")

    @contextmanager
    def download(self, url: str, offset: int) -> Iterator[tuple[bool, Iterator[bytes]]]:
        """One file, damaged by the faults that concern it."""
        slug, name, token = json.loads(url)
        kernel = self.kernels[slug]
        kernel.asked[name] += 1
        content = kernel.files[name]
        for kind in ("manifest", "checkpoint", "file"):
            trouble = self._trouble(kernel, kind)
            if trouble is None or not name.endswith(trouble.path):
                continue
            if isinstance(trouble.how, int):
                raise ServiceFault("download", status=trouble.how or None, message="")
            content = DAMAGES[trouble.how](content)
        twice = self._trouble(kernel, "listing")
        if twice is not None and twice.how == "twice" and not token:
            content = b"<html>"
        yield offset > 0, iter([content[offset:]])

    @contextmanager
    def output_zip(self, session_id: int) -> Iterator[Iterator[bytes]]:
        """All files as a zip."""
        kernel = next(one for one in self.kernels.values() if one.number == session_id)
        trouble = self._refuse(kernel, "zip") or self._refuse(kernel, "listing")
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive:
            for name, content in kernel.files.items():
                archive.writestr(zipfile.ZipInfo(name), content)
        how = trouble.how if trouble else ""
        yield iter([DAMAGES[str(how)](made.getvalue()) if how in DAMAGES else made.getvalue()])

    def log_events(self, owner: str, slug: str, *, most_s: float = 0.0) -> Iterator[Mapping[str, Any]]:
        """The log; of a running kernel its first line, and then time passes."""
        kernel = self._found(slug)
        left_s = self._left_s(kernel)
        if left_s > 0:
            self.clock.sleep(min(left_s, most_s))
            yield {"data": kernel.log.partition("\n")[0] + "\n"}
            return
        trouble = self._refuse(kernel, "log")
        yield {"data": "" if trouble or self._hides(kernel) else kernel.log}

    def quotas(self) -> tuple[Quota, ...]:
        """Unlimited."""
        return ()

    def _hides(self, kernel: Kernel) -> bool:
        listing = self._trouble(kernel, "listing")
        return listing is not None and listing.how in ("empty", "partial")

    def _found(self, slug: str) -> Kernel:
        if slug not in self.kernels:
            raise ServiceFault("state", status=404, message="No runs found for this kernel")
        return self.kernels[slug]

    def _left_s(self, kernel: Kernel) -> float:
        return kernel.ends_s - self.clock.monotonic()

    def _trouble(self, kernel: Kernel, kind: str) -> Trouble | None:
        for trouble in kernel.troubles:
            if trouble.kind == kind and trouble.from_s <= -self._left_s(kernel) < trouble.lasts_s:
                return trouble
        return None

    def _refuse(self, kernel: Kernel, kind: str) -> Trouble | None:
        trouble = self._trouble(kernel, kind) if self._left_s(kernel) <= 0 else None
        if trouble is not None and isinstance(trouble.how, int):
            raise ServiceFault(kind, status=trouble.how or None, message="")
        return trouble


DAMAGES: Mapping[str, Callable[[bytes], bytes]] = {
    "html": lambda content: b"<html>Please log in</html>",
    "half": lambda content: content[: len(content) // 2],
    "flipped": lambda content: content[: len(content) // 2] + b"\x00" + content[len(content) // 2 + 1 :],
    "longer": lambda content: content + bytes(1000),
    "nonce": lambda content: content.replace(b'"nonce": "', b'"nonce": "f'),
}


def _steps(path: str) -> int:
    return int(path.rsplit("_", 2)[1]) if path.endswith("_steps.zip") else 0


def _save(folder: Path, ticket: Ticket, steps: int, parent: CheckpointCard | None) -> CheckpointCard:
    lineage, body = ticket.spec["lineage"], f"model after {steps} steps".encode()
    names = ("section", "algorithm", "network", "hyper_parameters", "environment", "seed")
    identity = {**{name: lineage[name] for name in names}, "versions": {}, "code_digest": ticket.bundle_digest}
    return save_checkpoint(
        models_path(folder, ticket.section_dir),
        scenario=ticket.spec["scenario"],
        steps=steps,
        writers={".zip": lambda path: _write(path, body), ".state.npz": lambda path: _write(path, body[::-1])},
        identity={**identity, "device_class": "cpu"},
        stamp=ticket.stamp(),
        parent=parent,
        now=FakeClock().now(),
    )


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _commit(folder: Path, ticket: Ticket, start: int, done: int) -> None:
    ending = KernelEnding.FINISHED if done >= ticket.spec["target_steps"] else KernelEnding.PAUSED
    _write(folder / "events.jsonl", b'{"kind": "started"}\n')
    write_manifest(
        folder,
        ticket=ticket,
        outcome=SectionOutcome(
            ending=ending,
            steps_start=start,
            steps_done=done,
            verdict=Verdict.SUPPORTED if ending is KernelEnding.FINISHED else None,
        ),
        error=None,
        started_at=FakeClock().now().isoformat(),
        ended_at=FakeClock().now().isoformat(),
        timings_s={"wall": RUNS_S},
        preflight={},
    )
