"""The API of Kaggle over the service of the soak. Each call may fail, or answer something damaged or stale."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.mapping import KernelRecord, OutputFile, OutputPage, SaveAnswer, SaveRequest
from orchestrator.backends.kaggle.client.retry import Retry
from orchestrator.core.session.time_budget import Quota
from tests.doubles.clock import FakeClock
from tests.simulation.kaggle_outputs import DAMAGES
from tests.soak.service import ACCOUNT, Kernel, Service, refused

Answer = TypeVar("Answer")
Fault = int | str

TIMEOUT, TIMEOUT_S = 0, 30.0
_DOWN: tuple[Fault, ...] = (TIMEOUT, 500, 503, 429)
_DAMAGED = ("html", "half", "flipped", "longer")

FAULTS: Mapping[str, tuple[Fault, ...]] = {
    "push": ("answer lost before", "answer lost after", 500, 503, 429, "session cap", "quota spent"),
    "state": (*_DOWN, 404, 403, "unknown word", "still running"),
    "read back": (*_DOWN, "hidden"),
    "kernels": (*_DOWN, "stale"),
    "outputs": (*_DOWN, "empty", "partial", "stale"),
    "download": (*_DOWN, 403, 404, *_DAMAGED, "cut"),
    "zip": (*_DOWN, 404, *_DAMAGED),
    "log": (*_DOWN, "empty"),
    "quota": _DOWN,
}
"""Call -> what may happen to it: an HTTP status, or a wrong answer by name."""

_UNKNOWN_WORD = "PONDERING"


class SoakApi:
    """One account's kernels and quotas.

    Args:
        retry: Repeats queries, as the real API does.
        act: Called before and after each request: a killed program may end here.
    """

    account = ACCOUNT

    def __init__(self, service: Service, retry: Retry, act: Callable[[], None] = lambda: None) -> None:
        self._service = service
        self._retry = retry
        self._act = act

    def save_kernel(self, wanted: SaveRequest) -> SaveAnswer:
        """Push a kernel: sent once."""
        return self._ask("push", lambda fault: self._save(wanted, fault))

    def _save(self, wanted: SaveRequest, fault: Fault) -> SaveAnswer:
        if fault == "session cap":
            return refused("Maximum batch session count of 2 reached.")
        if fault == "quota spent" and wanted.gpu:
            return refused("Maximum weekly GPU quota of 30.00 hours has been reached.")
        answer = self._service.save(wanted) if fault != "answer lost before" else None
        if answer is None or fault == "answer lost after":
            raise ServiceFault("push", status=None, message="ReadTimeout")
        return answer

    def kernel(self, owner: str, slug: str) -> KernelRecord | None:
        """A kernel as it was saved."""
        return self._query("read back", lambda fault: self._record(slug, fault))

    def _record(self, slug: str, fault: Fault) -> KernelRecord | None:
        kernel = self._service.visible(slug)
        young = kernel is not None and self._service.now_s - kernel.born_s < 60.0
        if kernel is None or (fault == "hidden" and young):
            return None
        run_at = FakeClock().now() + timedelta(seconds=kernel.born_s)
        source = (kernel.folder / "source.py").read_text(encoding="utf-8")
        return KernelRecord(source=source, version=1, private=True, run_at=run_at, gpu=kernel.gpu)

    def kernel_slugs(self) -> Iterator[str]:
        """Newest first; a stale listing lacks the newest."""
        names = [slug for slug in reversed(self._service.kernels) if self._service.visible(slug)]
        yield from self._query("kernels", lambda fault: names[1:] if fault == "stale" else names)

    def status(self, owner: str, slug: str) -> tuple[str, str]:
        """State and message."""
        return self._query("state", lambda fault: self._state(slug, fault))

    def _state(self, slug: str, fault: Fault) -> tuple[str, str]:
        kernel = self._found(slug, "state")
        if fault == "unknown word":
            return _UNKNOWN_WORD, ""
        running = kernel.ends_s > self._service.now_s or fault == "still running"
        return ("RUNNING" if running else kernel.state), ""

    def output_page(self, owner: str, slug: str, token: str = "") -> OutputPage:
        """The outputs on two pages."""
        return self._query("outputs", lambda fault: self._page(slug, token, fault))

    def _page(self, slug: str, token: str, fault: Fault) -> OutputPage:
        kernel = shown = self._found(slug, "outputs")
        if kernel.ends_s > self._service.now_s:
            return OutputPage(files=(), log="", next_token="")
        if fault == "stale":
            earlier = [one for one in self._service.kernels.values() if one.lineage_id == kernel.lineage_id]
            shown = earlier[max(0, earlier.index(kernel) - 1)]
        late = kernel.whole_s > self._service.now_s
        names = shown.files[::2] if fault == "partial" else () if late or fault == "empty" else shown.files
        half = len(names) // 2
        files = [OutputFile(path=name, url=json.dumps([shown.slug, name])) for name in _half(names, half, token)]
        log = "" if late or fault in ("empty", "partial") else shown.log
        return OutputPage(files=tuple(files), log=log, next_token="" if token or not names else "2")

    @contextmanager
    def download(self, url: str, offset: int) -> Iterator[tuple[bool, Iterator[bytes]]]:
        """One file from an offset on."""
        slug, name = json.loads(url)
        kernel = self._service.kernels[slug]
        content, fault = self._ask("download", lambda fault: (_read(kernel, name), fault))
        damaged = DAMAGES[str(fault)](content) if fault in _DAMAGED else content
        yield offset > 0, _pieces(damaged[offset:], cut=fault == "cut")

    @contextmanager
    def output_zip(self, session_id: int) -> Iterator[Iterator[bytes]]:
        """All files as one zip."""
        kernel = next(one for one in self._service.kernels.values() if one.number == session_id)
        content, fault = self._ask("zip", lambda fault: (_zipped(kernel), fault))
        yield _pieces(DAMAGES[str(fault)](content) if fault in _DAMAGED else content)

    def log_events(self, owner: str, slug: str, **limits: float) -> Iterator[Mapping[str, Any]]:
        """The log; of a running kernel its first line."""
        kernel = self._found(slug, "log")
        late = kernel.whole_s > self._service.now_s >= kernel.ends_s
        text = kernel.log if kernel.ends_s <= self._service.now_s else kernel.log.partition("\n")[0] + "\n"
        yield {"data": self._ask("log", lambda fault: "" if late or fault == "empty" else text)}

    def quotas(self) -> tuple[Quota, ...]:
        """The GPU quota."""
        return self._query("quota", lambda fault: (self._service.quota(),))

    def _found(self, slug: str, what: str) -> Kernel:
        if (kernel := self._service.visible(slug)) is None:
            raise ServiceFault(what, status=404, message="No runs found for this kernel")
        return kernel

    def _query(self, what: str, answer: Callable[[Fault], Answer]) -> Answer:
        return self._retry(lambda: self._ask(what, answer))

    def _ask(self, what: str, answer: Callable[[Fault], Answer]) -> Answer:
        """One request: count it, draw its fault, answer it."""
        service = self._service
        self._act()
        service.calls += 1
        service.clock.sleep(0.1)
        fault: Fault = ""
        if service.rng.random() < service.rate:
            fault = service.rng.choice(FAULTS[what])
            service.faults[f"{what}: {'timeout' if fault == TIMEOUT else fault}"] += 1
        if isinstance(fault, int):
            service.clock.sleep(TIMEOUT_S if fault == TIMEOUT else 0.0)
            raise ServiceFault(what, status=fault or None, message="")
        answered = answer(fault)
        self._act()
        return answered


def _half(names: tuple[str, ...], half: int, token: str) -> tuple[str, ...]:
    return names[half:] if token else names[:half]


def _read(kernel: Kernel, name: str) -> bytes:
    return (kernel.folder / "outputs" / name).read_bytes()


def _pieces(content: bytes, *, cut: bool = False) -> Iterator[bytes]:
    if not cut:
        yield content
        return
    yield content[: len(content) // 2]
    raise ServiceFault("download", status=None, message="ChunkedEncodingError")


def _zipped(kernel: Kernel) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in kernel.files:
            archive.writestr(name, _read(kernel, name))
    return made.getvalue()
