"""`python -m validation_ch7.section_7_6_rl_performance.pool`: one claim from the trainings of many seeds."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kernel_templates.kernel_runtime.atomic import write_json, write_text
from validation_ch7.section_7_6_rl_performance.pool.claims import pool_trainings
from validation_ch7.section_7_6_rl_performance.pool.report import pool_json, pool_markdown
from validation_ch7.section_7_6_rl_performance.pool.trainings import PoolRefused, finished_trainings

_PROGRAM = "python -m validation_ch7.section_7_6_rl_performance.pool"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the results, print the tables, write them where asked; exit code 2 where nothing may be claimed."""
    parser = argparse.ArgumentParser(prog=_PROGRAM, description="Pool the finished trainings of section 7.6.")
    parser.add_argument("--results", type=Path, default=Path("validation_output/results"), help="Session outputs.")
    parser.add_argument("--profile", default="full", help="Trainings of this profile (default: full).")
    parser.add_argument("--output", type=Path, help="Folder for pool.json and pool.md.")
    chosen = parser.parse_args(arguments)
    try:
        if not chosen.results.is_dir():
            raise PoolRefused(f"{chosen.results} is no folder of results")
        pool = pool_trainings(finished_trainings(chosen.results, profile=chosen.profile))
    except PoolRefused as refused:
        sys.stderr.write(f"Nothing pooled: {refused}\n")
        return 2
    told = pool_markdown(pool)
    sys.stdout.write(told)
    if chosen.output is not None:
        chosen.output.mkdir(parents=True, exist_ok=True)
        write_json(chosen.output / "pool.json", pool_json(pool))
        write_text(chosen.output / "pool.md", told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
