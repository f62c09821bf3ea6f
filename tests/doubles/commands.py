"""Runs the real command line in a separate process, as a user would."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import PROJECT_ROOT
from tests.doubles.warm_python import run_python

IMPORTED_BY_COMMANDS = (
    "orchestrator.cli.interrupt",
    "orchestrator.cli.main",
    "orchestrator.cli.option_effects",
    "orchestrator.cli.output.console",
    "orchestrator.kernel.training.alone",
    "orchestrator.pipeline.run.runner",
    "orchestrator.stores.section.card_yaml",
    "orchestrator.wiring",
    "detect_secrets.core.secrets_collection",
    "pydantic.dataclasses",
    "pydantic.types",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """Exit code and output of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The object on the last line of standard output."""
        plain: dict[str, Any] = json.loads(self.out.rstrip().splitlines()[-1])
        return plain


def orchestrate(root: Path, *words: str, cwd: Path | None = None, timeout_s: float = 400.0, **variables: str) -> Answer:
    """`python -m orchestrator WORDS` on the project at `root`."""
    return call(root, ["-m", "orchestrator", *words], cwd=cwd, timeout_s=timeout_s, **variables)


def call(root: Path, words: list[str], cwd: Path | None = None, timeout_s: float = 400.0, **variables: str) -> Answer:
    """`python WORDS` on the project at `root`."""
    imported = () if any(name.startswith("PYTHON") for name in variables) else IMPORTED_BY_COMMANDS
    env = environment(root, **variables)
    done = run_python(words, cwd=cwd or root, env=env, timeout_s=timeout_s, imported=imported)
    encoding = variables.get("PYTHONIOENCODING", "utf-8").split(":")[0]
    return Answer(done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding, "replace"))


def environment(root: Path, **variables: str) -> dict[str, str]:
    """Environment variables of a user's shell, with this project on the path and without settings of the test run."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORCHESTRATOR", "PYTEST"))}
    base = {"ORCHESTRATOR_ROOT": str(root), "PYTHONPATH": str(PROJECT_ROOT), "PYTHONIOENCODING": "utf-8"}
    return {**kept, **base, **variables}


def break_judgement(folder: Path) -> str:
    """Write a `sitecustomize` that makes every judgement of a session raise; returns the PYTHONPATH that loads it."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import orchestrator.core.session.judgement as judgement\n"
        "def broken(*args, **named):\n"
        "    raise RuntimeError('broken on purpose')\n"
        "judgement.judge = broken\n",
        encoding="utf-8",
    )
    return os.pathsep.join((str(folder), str(PROJECT_ROOT)))
