"""Scenarios of one training on Kaggle in memory: `run`, `run --fresh`, `cancel`. All but the account is real."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from orchestrator.backends.kaggle.backend import KaggleBackend
from orchestrator.backends.kaggle.client.api import KaggleApi
from orchestrator.backends.kaggle.client.retry import Retry
from orchestrator.backends.kaggle.session.checkpoint_dataset import CheckpointDataset
from orchestrator.core.errors import BadInput, RemoteUnavailable
from orchestrator.core.run.request import RunRequest
from orchestrator.core.run.summary import RunSummary
from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.pipeline.context import RunContext
from orchestrator.pipeline.control.cancel import cancel_sessions
from orchestrator.pipeline.run.runner import execute
from orchestrator.stores import project as project_room
from orchestrator.stores.checkpoint.models_dir import ModelsDirectory
from orchestrator.stores.ledger.sqlite import SqliteLedger
from orchestrator.stores.project import Project
from orchestrator.stores.session.code_bundle import CodeStore, FrozenCode
from orchestrator.stores.session.results import ResultsTree
from orchestrator.wiring import assemble
from tests.doubles.clock import FakeClock
from tests.doubles.narrator import Listener
from tests.doubles.toy_section import make_toy_project, toy_card
from tests.kill_points.account import Account, Calls
from tests.kill_points.restoring import own_files_faults
from tests.kill_points.scenario import LOST, WRONG, Fault, Scenario, leftovers
from tests.unit.stores.checkpoint.trees import write_tree

OWN = {"checkpoints/model.zip": b"1", "mine/model.zip": b"2"}


class KaggleScenario(Scenario):
    """A project whose code is elsewhere: its state is the disk that is followed."""

    sessions = 2

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.code = make_toy_project(folder / "project")
        self.project = Project(code=self.code, state=self.root)
        self.card = toy_card(self.code)
        self.frozen = FrozenCode(CodeStore.of(self.project))
        self.account = Account(FakeClock(), folder / "kernels")
        self.listener = Listener()
        self.models = self.project.models(self.card.directory)
        self.put = write_tree(self.models, OWN)
        self.expected: dict[str, bytes] = {}

    def outside(self) -> Account:
        return copy.deepcopy(self.account)

    def set_outside(self, outside: Account) -> None:
        self.account = copy.deepcopy(outside)

    def outside_key(self, outside: Account) -> str:
        return outside.key()

    def backend(self, settings: KaggleSettings) -> KaggleBackend:
        """The real backend on the account in memory."""
        retry = Retry(self.account.clock, random.Random(0).uniform)
        api = cast(KaggleApi, Calls(self.account, self.observer))
        return KaggleBackend(api, cast(CheckpointDataset, None), settings, retry)

    @contextmanager
    def context(self) -> Iterator[RunContext]:
        """What a command works with."""
        backend = self.backend(KaggleSettings(device="cpu"))
        with (
            patch.object(project_room, "_PROBE_BYTES", 8),
            assemble(self.project, self.card, backend, self.listener, clock=self.account.clock) as context,
        ):
            yield replace(context, draw_token=self.account.draw_token, code=self.frozen, gate=None)

    def run(self, **options: Any) -> RunSummary | None:
        """One `run`; None if it ended with exit code 4."""
        try:
            with self.context() as context:
                return execute(context, RunRequest(card=self.card, profile="quick", **options))
        except RemoteUnavailable:
            return None

    def run_to_the_end(self, **options: Any) -> None:
        """Repeat `run` until there is a verdict, an hour between two commands."""
        for _ in range(20):
            summary = self.run(**options)
            if summary is not None and summary.verdict is not None:
                return
            self.account.clock.sleep(3600.0)
        raise AssertionError(f"not finished: {summary}\n{self.listener.text[-3000:]}")

    def faults(self) -> Iterator[Fault]:
        yield from self.push_faults()
        found = self._weights()
        self.expected = self.expected or found
        for name in self.expected.keys() | found.keys():
            if self.expected.get(name) != found.get(name):
                yield LOST, f"{name} differs from that of the run without a kill"
        yield from self._ledger_faults()
        yield from own_files_faults(ModelsDirectory(self.models, self.card.scenario), self.models.parent, self.put)
        yield from leftovers(self.root)

    def push_faults(self) -> Iterator[Fault]:
        """Sessions that were pushed twice, needlessly, or not at all."""
        yield from self.account.faults(self.sessions)

    def _weights(self) -> dict[str, bytes]:
        """The bytes of all that was trained and is in place; cards hold times and nonces."""
        sections = self.project.models(self.card.directory).parents[1]
        places = [*sections.glob("data/models"), *sections.glob("trials/*/data/models")]
        paths = [path for place in places for path in place.rglob("*") if path.suffix in (".zip", ".npz")]
        own = set(self.put)
        return {str(path.relative_to(sections)): content for path in paths if (content := path.read_bytes()) not in own}

    def _ledger_faults(self) -> Iterator[Fault]:
        results = ResultsTree(self.project.results)
        with closing(SqliteLedger(self.project.own / "ledger.sqlite")) as ledger:
            for record in ledger.open_sessions():
                yield WRONG, f"{record.slug} is still open"
            for record in ledger.sessions():
                if record.handle is not None and record.results_dir is None:
                    yield LOST, f"{record.slug} has no results"
                elif record.results_dir is not None:
                    manifest, faults = results.manifest(Path(record.results_dir))
                    if faults:
                        yield LOST, f"results of {record.slug}: {faults}"
                    if manifest is None and record.end_reason in ("finished", "paused"):
                        yield LOST, f"the manifest of {record.slug}"
            for run in ledger.runs():
                if run.ended_at is None:
                    yield WRONG, f"{run.run_id} has not ended"
            if not ledger.rebuild():
                yield WRONG, "the rows of the ledger do not agree with its events"


class Run(KaggleScenario):
    """`run` from an empty directory to the target, in two sessions."""

    name = "run"

    def act(self) -> None:
        self.run_to_the_end()

    def go_on(self) -> None:
        self.run_to_the_end()


class RunFresh(KaggleScenario):
    """`run --fresh` after a finished training: one more session from step 0, with the earlier files archived."""

    name = "run-fresh"
    sessions = 3

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.account.first = "finish"
        self.sessions = 2
        with self.observer.paused():
            self.run_to_the_end()
        self.account.wrongs.clear()
        self.account.members.clear()

    def act(self) -> None:
        self.run_to_the_end(fresh=True)

    def go_on(self) -> None:
        if len(self.account.pushed) < self.sessions:
            self.run_to_the_end(fresh=True)
        self.run_to_the_end()


class Cancel(KaggleScenario):
    """`cancel` of a running session, which has saved once; then `run` to the target."""

    name = "cancel"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.account.first = "die"
        with self.observer.paused():
            self.run(detach=True)
        self.account.clock.sleep(600.0)

    def act(self) -> None:
        with self.context() as context:
            cancel_sessions(context, self.card)

    def go_on(self) -> None:
        try:
            self.act()
        except BadInput as nothing:
            if "in flight" not in str(nothing):
                raise
        self.run_to_the_end()


RUNNING = (Run, RunFresh, Cancel)
