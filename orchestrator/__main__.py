"""`python -m orchestrator`."""

import sys

try:
    from orchestrator.cli.main import main
except ModuleNotFoundError as absent:
    sys.exit(
        f"Error: {absent.name} is not installed for {sys.executable}\n"
        "Run `make run` once, then use .venv/bin/python (Windows: .venv\\Scripts\\python) instead of python."
    )

if __name__ == "__main__":
    raise SystemExit(main())
