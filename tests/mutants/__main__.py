"""`python -m tests.mutants [ROOM ...]`: exit code 1 if under 95 % die, or if a survivor is not justified."""

from __future__ import annotations

import argparse
import os
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from tests.mutants import trying as trying_room
from tests.mutants.mutations import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[2]
GOAL = 0.95


@dataclass(frozen=True, kw_only=True)
class Room:
    """A file and the tests that guard it."""

    name: str
    path: str
    tests: tuple[str, ...]

    @property
    def module(self) -> str:
        """Its name for the import system."""
        return self.path.removesuffix(".py").replace("/", ".")


def rooms() -> list[Room]:
    """The rooms on which safety stands, from `rooms.toml`."""
    plain = tomllib.loads((Path(__file__).with_name("rooms.toml")).read_text(encoding="utf-8"))
    return [Room(name=name, path=one["path"], tests=tuple(one["tests"])) for name, one in plain.items()]


def justified() -> dict[tuple[str, str, str], str]:
    """Path, place and change of each mutant that may survive -> the reason, from `survivors.toml`."""
    plain = tomllib.loads((Path(__file__).with_name("survivors.toml")).read_text(encoding="utf-8"))
    return {(one["path"], one["place"], one["change"]): one["reason"] for one in plain.get("survivor", ())}


def main() -> int:
    """Try the named rooms, all without a name."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("rooms", nargs="*", help=f"of: {', '.join(one.name for one in rooms())}")
    parser.add_argument("--line", type=int, action="append", help="try only the mutants of this line")
    given = parser.parse_args()
    os.chdir(ROOT)
    chosen = [one for one in rooms() if not given.rooms or one.name in given.rooms]
    missed = [room.name for room in chosen if not _is_safe(room, given.line)]
    if missed:
        print(f"MISSED: {', '.join(missed)}")
    return int(bool(missed) or not chosen)


def _is_safe(room: Room, lines: list[int] | None) -> bool:
    began_s = time.monotonic()
    mutants = [one for one in mutants_of(ROOT / room.path) if not lines or one.line in lines]
    alive = _alive(room, mutants)
    reasons = justified()
    open_ones = [one for one in alive if (room.path, one.place, one.change) not in reasons]
    equivalent = len(alive) - len(open_ones)
    killed = len(mutants) - len(alive)
    share = killed / max(1, len(mutants) - equivalent)
    print(
        f"{room.name:<14} {len(mutants):>4} mutants, {killed:>4} killed, {equivalent:>3} justified, "
        f"{len(open_ones):>3} open, {share:6.1%} of the others killed, {time.monotonic() - began_s:.0f} s",
        flush=True,
    )
    for one in open_ones:
        print(f"    {room.path}:{one.line} {one.place}: {one.change}", flush=True)
    return share >= GOAL and not open_ones


def _alive(room: Room, mutants: list[Mutant]) -> list[Mutant]:
    """The mutants that no test kills, found in a process of its own: pytest imports what each room needs."""
    reading, writing = os.pipe()
    if not (pid := os.fork()):
        code = 1
        try:
            os.close(reading)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # pytest's own report
            trying = trying_room.Room(room.module, room.tests, mutants, _progress)
            trying.try_all()
            os.write(writing, " ".join(map(str, trying.alive)).encode())
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        numbers = stream.read().split()
    if os.waitpid(pid, 0)[1]:
        raise SystemExit(f"{room.name}: the tests could not be run")
    return [mutants[int(number)] for number in numbers]


def _progress(killed: bool) -> None:
    print("." if killed else "S", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
