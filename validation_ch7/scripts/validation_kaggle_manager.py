"""Runs any section on Kaggle: `validation_kaggle_manager.py --section 7.6 [--quick-test]`.

The functions of earlier versions of this file are now in the orchestrator; their old names can still be imported here.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from orchestrator.cli.main import main
from orchestrator.kernel.checkpoint.survey import find_latest_checkpoint
from orchestrator.pipeline.session.lifecycle import retrieve_and_analyze_logs
from orchestrator.pipeline.session.restore import restore_checkpoints_for_next_run

__all__ = ["find_latest_checkpoint", "launch", "restore_checkpoints_for_next_run", "retrieve_and_analyze_logs"]


def launch(argv: list[str]) -> int:
    """Translate the arguments into those of `python -m orchestrator run`, and run it."""
    parser = argparse.ArgumentParser(description="Run a section of chapter 7 on Kaggle.")
    parser.add_argument("--section", default="section_7_6", help="7.6 or section_7_6")
    parser.add_argument("--quick-test", "--quick", action="store_true", dest="quick", help="quick profile")
    known, rest = parser.parse_known_args(argv)
    section = known.section if known.section.startswith("section_") else f"section_{known.section.replace('.', '_')}"
    quick = ["--quick"] if known.quick else []
    return main(["run", section, "--backend", "kaggle", *quick, *rest])


if __name__ == "__main__":
    sys.exit(launch(sys.argv[1:]))
