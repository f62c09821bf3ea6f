"""`python -m orchestrator`, and the command `orchestrator`."""

import sys
from pathlib import Path

from orchestrator.cli.interrupt import InterruptGuard


def entry() -> int:
    """Run the command line of this process; a Ctrl-C at any moment gives 130."""
    guard = InterruptGuard()
    guard.listen()
    try:
        try:
            from orchestrator.cli.main import main
        except ModuleNotFoundError as absent:
            sys.exit(f"Error: {absent.name} is not installed for {sys.executable}\n{_remedy()}")
        guard.begin()
        code = main()
        guard.end()
    except KeyboardInterrupt:  # outside of all that prints a failure
        print("Error: interrupted", file=sys.stderr, flush=True)
        code = 130
    return code


def _remedy() -> str:
    if Path(__file__).resolve().parents[1].joinpath("Makefile").is_file():  # a clone
        return "Run `make run` once, then use .venv/bin/python (Windows: .venv\\Scripts\\python) instead of python."
    return "Install orchestrator again for this Python with pip, without --no-deps: pip then brings its libraries."


if __name__ == "__main__":
    raise SystemExit(entry())
