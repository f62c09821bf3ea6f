"""Kills and cuts the power at every point of a scenario, and continues from what is left with the ordinary command."""

from __future__ import annotations

import itertools
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from tests.kill_points.audit import KINDS, audited, commits_counted
from tests.kill_points.durability import Disk
from tests.kill_points.observer import Moment, Observer, observed
from tests.kill_points.scenario import DUPLICATED, LOST, WRONG, Fault, Scenario
from tests.kill_points.tree import Node, Tree, key_of, write_tree

COLUMNS = ("scenario", "points", "kills", "pairs", "power cuts", "states", LOST, DUPLICATED, WRONG)
SEEN_TWICE = (*KINDS, "commit")
"""The kinds of side effects that both counts can see."""

Key = tuple[tuple[tuple[str, Node], ...], str]
"""Equal for states from which everything continues equally."""


@dataclass
class Row:
    """One row of the table.

    Attributes:
        points: Side effects of the command.
        kills: Moments at which it was killed: before and after each side effect, and in the middle of each write.
        pairs: Second kills, each at a moment of the command that continues after a first one.
        cuts: Power cuts, with each outcome.
        states: Different states that these left; each is continued once.
        counts: Points by kind.
        second: The same, counted in another way.
        faults: Kind, moment and words of what was found.
    """

    name: str
    points: int = 0
    kills: int = 0
    pairs: int = 0
    cuts: int = 0
    states: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    second: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[str, str, str]] = field(default_factory=list)

    def count(self, kind: str) -> int:
        """Faults of a kind."""
        return sum(found == kind for found, _, _ in self.faults)

    def cells(self) -> list[str]:
        """Texts in the order of `COLUMNS`."""
        numbers = (self.points, self.kills, self.pairs, self.cuts, self.states)
        return [self.name, *map(str, numbers), *(str(self.count(kind)) for kind in (LOST, DUPLICATED, WRONG))]

    def both_counts(self) -> tuple[dict[str, int], dict[str, int]]:
        """The two counts, of what both can see."""
        return {kind: self.counts[kind] for kind in SEEN_TWICE}, {kind: self.second[kind] for kind in SEEN_TWICE}


def trace(
    scenario: Scenario, act: Callable[[], None], *, power: int = 0, every: int = 1, offset: int = 0
) -> tuple[Observer, Counter[str]]:
    """Run a command observed; returns what the observer saw, and the second count."""
    observer = scenario.observer = Observer(scenario.root, scenario.outside, power=power, every=every, offset=offset)
    if power:
        observer.disk = Disk(observer.root, observer.contents)
    with ExitStack() as stack:
        stack.enter_context(observed(observer))
        commits = stack.enter_context(commits_counted(lambda: observer.is_silent))
        second = stack.enter_context(audited(observer.root, lambda: observer.is_silent))
        act()
    second["commit"] = commits[0]
    return observer, second


class Proof:
    """Enumerates one scenario.

    Args:
        pairs: Try every n-th second kill; 0 for none.
        every: Continue from every n-th state.
    """

    def __init__(self, scenario: Scenario, *, pairs: int = 0, every: int = 1) -> None:
        self._scenario, self._pairs, self._every = scenario, pairs, every
        self._row = Row(scenario.name)
        self._continued: set[Key] = set()
        self._turn, self._firsts = itertools.count(), itertools.count()

    def run(self) -> Row:
        """Kill at each moment, kill a second time, cut the power at each moment."""
        row, scenario = self._row, self._scenario
        observer, row.second = trace(scenario, scenario.act, power=max(1, self._every // 3))
        row.points, row.counts = len(observer.points), observer.counts()
        with observer.paused(), self._noting("not killed"):
            scenario.go_on()
        killed: set[Key] = set()
        for moment in observer.moments:
            row.kills += 1
            if self._is_new(moment.disk, moment, killed):
                self._killed(moment)
        self._continued |= killed
        for moment in observer.moments:
            for outcome, disk in moment.cuts.items():
                row.cuts += 1
                if self._is_new(disk, moment, self._continued):
                    self._continue(disk, moment, f"power cut {moment.where}, {outcome}")
        return row

    def _is_new(self, disk: Tree, moment: Moment, known: set[Key], *, rarely: bool = True) -> bool:
        key = key_of(disk), self._scenario.outside_key(moment.outside)
        if key in known:
            return False
        known.add(key)
        if rarely and next(self._turn) % self._every:
            return False
        self._row.states += 1
        return True

    def _killed(self, moment: Moment) -> None:
        where = f"killed {moment.where}"
        if not self._pairs:
            return self._continue(moment.disk, moment, where)
        self._restore(moment.disk, moment)
        seconds: list[Moment] = []
        # Each state begins at another one, so that every moment of a recovery is tried.
        offset = next(self._firsts) % self._pairs
        with self._noting(where):
            seconds = trace(self._scenario, self._scenario.go_on, every=self._pairs, offset=offset)[0].moments
        for second in seconds:
            self._row.pairs += 1
            if self._is_new(second.disk, second, self._continued, rarely=False):
                self._continue(second.disk, second, f"{where}, and again {second.where}")
        return None

    def _continue(self, disk: Tree, moment: Moment, where: str) -> None:
        self._restore(disk, moment)
        self._scenario.observer = Observer(self._scenario.root)
        with self._scenario.observer.paused(), self._noting(where):
            self._scenario.go_on()

    def _restore(self, disk: Tree, moment: Moment) -> None:
        write_tree(self._scenario.root, disk)
        self._scenario.set_outside(moment.outside)

    @contextmanager
    def _noting(self, where: str) -> Iterator[None]:
        """Note what is wrong at the end; a command that fails is wrong too."""
        try:
            yield
            self._note(self._scenario.faults(), where)
        except Exception:
            self._note([(WRONG, traceback.format_exc())], where)

    def _note(self, faults: Iterable[Fault], where: str) -> None:
        self._row.faults += [(kind, where, words) for kind, words in faults]


def table(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
