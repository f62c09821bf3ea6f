"""Fuzzes one kind guided by coverage, in a process of its own: `python -m tests.fuzz.coverage KIND SECONDS SEED`.

atheris instruments the package while it is imported, and keeps each input that reaches new code.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["orchestrator"]):
    from tests.fuzz.kinds import KINDS

from tests.fuzz.mutation import mutated
from tests.fuzz.trying import KEPT, Tally, try_input

_MOST_BYTES = 1 << 16


def main(name: str, seconds: float, seed: int) -> None:
    """Fuzz until the time is over, print the tally as JSON, and exit."""
    kind, tally = KINDS[name], Tally(name)
    KEPT.mkdir(exist_ok=True)
    ends_s = time.monotonic() + seconds

    def one_input(content: bytes) -> None:
        if time.monotonic() > ends_s:
            os.write(1, json.dumps(tally.to_json()).encode() + b"\n")
            os._exit(0)  # the fuzzer's own loop has no end
        try_input(kind, content, tally)

    def mutate(content: bytes, most_bytes: int, draw: int) -> bytes:
        rng = random.Random(draw)
        if rng.random() < 0.3:
            return bytes(atheris.Mutate(content, most_bytes))
        return mutated(content if content and rng.random() < 0.7 else rng.choice(kind.seeds), rng)[:most_bytes]

    with tempfile.TemporaryDirectory() as corpus:
        for number, example in enumerate(kind.seeds):
            (Path(corpus) / str(number)).write_bytes(example)
        words = [
            sys.argv[0],
            f"-artifact_prefix={KEPT}/",
            f"-seed={seed}",
            f"-max_len={_MOST_BYTES}",
            "-rss_limit_mb=4096",
            "-timeout=0",
            corpus,
        ]
        atheris.Setup(words, one_input, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
