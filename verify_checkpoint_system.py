"""Checks the checkpoint system with a tiny real training; same as `python -m orchestrator verify`."""

import sys

from orchestrator.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["verify", *sys.argv[1:]]))
