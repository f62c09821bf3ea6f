"""`doctor --push`: saves the script of the next session without running it, reads it back, and deletes it.

A quick save stores a kernel version and starts no session (`KernelExecutionType.QUICK_SAVE`), so it spends no quota.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.backends.kaggle.client.mapping import NEVER_RUN, KernelRecord, SaveAnswer
from orchestrator.backends.kaggle.diagnosis.leftovers import delete_kernel
from orchestrator.backends.kaggle.session.push_errors import conflict, lost_sources, refusal
from orchestrator.backends.kaggle.session.push_request import save_request
from orchestrator.core.diagnostics.health_check import Check
from orchestrator.core.errors import OrchestratorError, OutcomeUnknown
from orchestrator.core.session.backend_types import Carrier, Push
from orchestrator.core.session.script import ticket_in
from orchestrator.ports import Clock

_REAL, _CHECKED = "arz-validation-", "run-push-check-"
"""Prefixes of equal length: the checked name is as long as the real one, and no listing takes it for a session."""

_LOOK_EVERY_S = 5.0
_IDLE = frozenset({"NEW_SCRIPT"})
_IN_FLIGHT = frozenset({"QUEUED", "RUNNING"})


def checked_slug(slug: str) -> str:
    """Name under which the script of a session is saved."""
    return _CHECKED + slug.removeprefix(_REAL)


class PushCheck:
    """One quick save: each step is one reported check, and what was saved is deleted after any of them.

    Args:
        most_bytes: Largest script that Kaggle accepts.
        visible_s: Seconds that a saved kernel may stay invisible.
        report: Receives each check at once.
    """

    def __init__(
        self, api: KaggleApi, clock: Clock, report: Callable[[Check], None], *, most_bytes: int, visible_s: float
    ) -> None:
        self._api = api
        self._clock = clock
        self._report = report
        self._most_bytes = most_bytes
        self._visible_s = visible_s
        self._made = ""

    def run(self, push: Push) -> None:
        """Save, read back and delete the script of this push.

        Raises:
            KeyboardInterrupt: After the deletion.
        """
        size = len(push.script.encode("utf-8"))
        self._say("push: script", True, f"{size} bytes of {self._most_bytes}, sha256 {_sha256(push.script)[:12]}")
        slug = checked_slug(push.slug)
        try:
            before = self._api.kernel(push.owner, slug)
        except ServiceFault as fault:
            self._say("push: name", False, str(fault), fault.remedy)
            return
        if before is not None and ticket_in(before.source) is None:
            self._say("push: name", False, f"{slug} exists and was not saved by this check", "Rename that kernel.")
            return
        self._made = slug
        try:
            self._steps(push, slug)
        finally:
            if self._made:
                self._report(
                    delete_kernel(
                        self._api, self._clock, push.owner, self._made, name="push: deleted", visible_s=self._visible_s
                    )
                )

    def _steps(self, push: Push, slug: str) -> None:
        """What happens between the save and the deletion."""
        wanted = replace(save_request(push), slug=slug, quick_save=True)
        if push.carrier is Carrier.DATASET:  # the last source: it is uploaded when a session starts
            wanted = replace(wanted, dataset_sources=wanted.dataset_sources[:-1])
        answer: SaveAnswer | None = None
        try:
            answer = self._api.save_kernel(wanted)
            problem = refusal(answer, slug, None)
        except ServiceFault as fault:
            problem = OutcomeUnknown(str(fault), remedy=fault.remedy) if fault.undecided else _explained(fault)
        if problem is not None and not isinstance(problem, OutcomeUnknown):
            self._made = ""
            self._say("push: saved", False, str(problem), problem.remedy)
            return
        if answer is not None and answer.ref:
            self._made = answer.ref.rstrip("/").rpartition("/")[2]
            self._named(self._made, slug)
            slug = self._made
            self._sources(answer, push)
        record = self._read_back(push, slug, problem)
        if slug != wanted.slug and (record is None or record.version != 1):
            self._leave_alone(push.owner, slug)
        if record is not None:
            self._compare(push, record)
            self._no_session(push, slug)

    def _leave_alone(self, owner: str, slug: str) -> None:
        """Delete nothing: Kaggle chose the name, and a kernel with earlier versions is the user's own."""
        self._made = ""
        found = f"{slug} is not deleted, because it may be a kernel of yours"
        self._say("push: deleted", False, found, f"Look at its versions: https://www.kaggle.com/code/{owner}/{slug}")

    def _named(self, got: str, asked: str) -> None:
        good = got == asked
        self._say("push: saved", True, f"{got}, without a session")
        remedy = "" if good else "Kaggle's rule for names has changed: please report this line."
        self._say("push: name", good, f"{len(got)} characters, {'as asked' if good else f'not {asked}'}", remedy)

    def _sources(self, answer: SaveAnswer, push: Push) -> None:
        asked = [*push.settings["dataset_sources"], *push.settings["kernel_sources"]]
        lost = lost_sources(answer)
        remedy = "Check that they exist, are ready, and that this account may read them." if lost else ""
        found = f"not found: {', '.join(lost)}" if lost else ", ".join(asked) or "none needed"
        if push.carrier is Carrier.DATASET and not lost:
            found += " (the checkpoints' dataset is uploaded when a session starts)"
        self._say("push: data sources", not lost, found, remedy)

    def _read_back(self, push: Push, slug: str, doubt: OrchestratorError | None) -> KernelRecord | None:
        """The saved kernel, once it is visible.

        Args:
            doubt: Why it is not known whether the save was carried out; None if it was.
        """
        until_s = self._clock.monotonic() + self._visible_s
        try:
            while (record := self._api.kernel(push.owner, slug)) is None and self._clock.monotonic() < until_s:
                self._clock.sleep(_LOOK_EVERY_S)
        except ServiceFault as fault:
            self._say("push: read back", False, str(fault), fault.remedy)
            return None
        if record is not None:
            if doubt is not None:
                self._say("push: saved", True, f"{slug}, although the answer was lost ({doubt})")
            return record
        if doubt is not None:
            self._made = ""
            self._say("push: saved", False, f"{doubt}; no kernel {slug} appeared", doubt.remedy)
        else:
            self._say("push: read back", False, f"{slug} was saved and is not visible", "Run the same command again.")
        return None

    def _compare(self, push: Push, record: KernelRecord) -> None:
        equal = record.source == push.script
        found = f"{len(record.source.encode('utf-8'))} bytes, sha256 {_sha256(record.source)[:12]}"
        remedy = "" if equal else "Kaggle changed the script: a session would refuse itself. Please report this line."
        self._say("push: read back", equal, f"{found}, {'equal byte for byte' if equal else 'not equal'}", remedy)
        public = "" if record.private else "Other people could read it until it was deleted. Please report this line."
        self._say("push: private", record.private, "yes" if record.private else "no", public)
        named = [text for text in (record.docker_image, record.machine_shape) if text]
        self._say("push: image", True if named else None, ", ".join(named) or "Kaggle names none before a session")

    def _no_session(self, push: Push, slug: str) -> None:
        try:
            status, _ = self._api.status(push.owner, slug)
        except ServiceFault as fault:
            known = fault.status in (403, 404)
            self._say("push: no session", True if known else None, NEVER_RUN if known else str(fault))
            return
        good = True if status in _IDLE else False if status in _IN_FLIGHT else None
        remedy = "A session has started; deleting the kernel ends it. Please report this line." if good is False else ""
        self._say("push: no session", good, f"Kaggle says {status}", remedy)

    def _say(self, name: str, good: bool | None, found: str, remedy: str = "") -> None:
        self._report(Check(name=name, good=good, found=found, remedy=remedy, remote=True))


def _explained(fault: ServiceFault) -> OrchestratorError:
    """A refusal of the save, with the remedy of a push."""
    return conflict(fault.message) if fault.status == 409 else fault


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
