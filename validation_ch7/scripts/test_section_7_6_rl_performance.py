"""Runs section 7.6 on this computer: `test_section_7_6_rl_performance.py [--quick] [--target-steps N]`.

Not a pytest file: pytest collects only from `tests`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from orchestrator.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["run", "section_7_6", "--backend", "local", *sys.argv[1:]]))
