"""`python -m tests.emulator --root DIR`: runs the Kaggle emulator until it is interrupted."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from tests.emulator.loopback import PORT, loopback_kaggle
from tests.emulator.machine import namespace_command
from tests.emulator.settings import Settings


def main() -> None:
    """Serve until interrupted."""
    words = argparse.ArgumentParser()
    words.add_argument("--root", type=Path, required=True)
    words.add_argument("--port", type=int, default=PORT)
    words.add_argument("--user", default="ana")
    words.add_argument("--key", default="key")
    words.add_argument("--override", default="ORCHESTRATOR_KAGGLE_ROOT", help="used if there is no mount namespace")
    given = words.parse_args()
    settings = Settings(override=None if namespace_command() else given.override)
    with loopback_kaggle(given.root, port=given.port, settings=settings) as kaggle:
        kaggle.accounts.add(given.user, key=given.key)
        print("READY", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
