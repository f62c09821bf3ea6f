"""`python -m validation_ch7.section_7_6_rl_performance.multi_seed`: evaluates the trainings of many seeds together."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from validation_ch7.section_7_6_rl_performance.multi_seed.claims import pool_experiment
from validation_ch7.section_7_6_rl_performance.multi_seed.grouping import experiments_of
from validation_ch7.section_7_6_rl_performance.multi_seed.load import (
    PoolRefused,
    accounted_trainings,
    campaign_of,
    finished_trainings,
)
from validation_ch7.section_7_6_rl_performance.multi_seed.write import pools_markdown, write_pools

_PROGRAM = "python -m validation_ch7.section_7_6_rl_performance.multi_seed"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the trainings, print the tables, and write them if `--output` is given; exit code 2 if they are refused."""
    parser = argparse.ArgumentParser(prog=_PROGRAM, description="Pool the finished trainings of section 7.6.")
    parser.add_argument("--results", type=Path, default=Path("validation_output/results"), help="Session outputs.")
    parser.add_argument("--profile", default="full", help="Trainings of this profile (default: full).")
    parser.add_argument("--campaign", type=Path, help="Trial report of a campaign; replaces --results and --profile.")
    parser.add_argument("--output", type=Path, help="Folder for the tables and figures.")
    chosen = parser.parse_args(arguments)
    account = None
    try:
        if chosen.campaign is not None:
            account = campaign_of(chosen.campaign)
            trainings = list(accounted_trainings(account))
        elif not chosen.results.is_dir():
            raise PoolRefused(f"{chosen.results} is not a folder")
        else:
            trainings = finished_trainings(chosen.results, profile=chosen.profile)
        pools = [pool_experiment(experiment) for experiment in experiments_of(trainings)]
    except PoolRefused as refused:
        sys.stderr.write(f"Nothing pooled: {refused}\n")
        return 2
    sys.stdout.write(pools_markdown(pools, account))
    if chosen.output is not None:
        write_pools(pools, chosen.output, account)
    return 0


if __name__ == "__main__":
    sys.exit(main())
