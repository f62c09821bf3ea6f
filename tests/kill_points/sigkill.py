"""The same kills with a real SIGKILL: a forked process kills itself at a point, and leaves what the observer kept."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from pathlib import Path

from tests.kill_points.observer import Observer, Point, observed
from tests.kill_points.proof import Row, trace
from tests.kill_points.scenario import WRONG, Scenario
from tests.kill_points.tree import Tree, read_tree, write_tree


def killed_for_real(kind: type[Scenario], folder: Path, *, every: int = 1) -> Row:
    """Kill a process at every n-th point, compare what it leaves with what was observed, and continue.

    The scenario must be the same each time: its clock and its random numbers belong to its outside world.
    """
    scenario = kind(folder)
    row = Row(f"{scenario.name}, SIGKILL")
    begin, outside = read_tree(scenario.root), scenario.outside()
    observer, _ = trace(scenario, scenario.act)
    with observer.paused():
        scenario.go_on()
    row.faults += [(kind_of, "not killed", words) for kind_of, words in scenario.faults()]
    row.points = len(observer.points)
    before = [moment for moment in observer.moments if moment.where.startswith("before ")]
    for number, moment in list(enumerate(before, 1))[::every]:
        write_tree(scenario.root, begin)
        scenario.set_outside(outside)
        row.kills += 1
        if _kill_at(scenario, number) != -signal.SIGKILL:
            row.faults.append((WRONG, moment.where, "it was not killed"))
        left = _comparable(read_tree(scenario.root))
        if left != _comparable(moment.disk):
            row.faults.append((WRONG, moment.where, f"a real kill leaves {_difference(left, moment.disk)}"))
        scenario.set_outside(moment.outside)
        scenario.observer = Observer(scenario.root)
        try:
            with scenario.observer.paused():
                scenario.go_on()
            row.faults += [(kind_of, moment.where, words) for kind_of, words in scenario.faults()]
        except Exception:
            row.faults.append((WRONG, moment.where, traceback.format_exc()))
    return row


def _kill_at(scenario: Scenario, number: int) -> int:
    """Run the command in a forked process that kills itself before this point; returns its exit code."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    try:

        def gate(point: Point) -> None:
            if point.number == number:
                os.kill(os.getpid(), signal.SIGKILL)

        scenario.observer = Observer(scenario.root, gate=gate, every=0)
        with observed(scenario.observer):
            scenario.act()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(3)


def _comparable(tree: Tree) -> Tree:
    """Without SQLite's files, which hold random numbers."""
    return {name: node for name, node in tree.items() if ".sqlite" not in name}


def _difference(left: Tree, seen: Tree) -> list[str]:
    seen = _comparable(seen)
    return sorted(name for name in left.keys() | seen.keys() if left.get(name) != seen.get(name))
