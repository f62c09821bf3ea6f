"""Runs section 7.6 on Kaggle: `run_kaggle_validation_section_7_6.py [--quick]`. Never falls back to this computer."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from orchestrator.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["run", "section_7_6", "--backend", "kaggle", *sys.argv[1:]]))
