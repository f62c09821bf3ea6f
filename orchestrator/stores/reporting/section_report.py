"""Runs a section's own report on its finished trials, in a separate process: sections are never imported here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

from orchestrator.core.errors import BadInput, RunFailed
from orchestrator.core.page.conversion.headline import Statement
from orchestrator.kernel.files.atomic import write_json
from orchestrator.kernel.outcome import Verdict
from orchestrator.kernel.reading.json_text import Unreadable, read_object
from orchestrator.kernel.reading.shapes import TEXTS, fields, one_of, require
from orchestrator.kernel.reporting.trial_report import CampaignReport, report_json, write_path

STATEMENT_NAME = "statement.json"
"""A section's own report may write this file, its statement about all trainings together: `lines`, a list of sentences,
and `verdict` if it is the same for all variants. `sessions`, whose results it judges, are added to it here."""
_STATEMENT = fields(
    {"lines": TEXTS}, {"verdict": one_of([one.value for one in Verdict]), "sessions": TEXTS}, others=True
)
_REPORT_PACKAGE = "multi_seed"
_MISSING = re.compile(r"ModuleNotFoundError: No module named '([^'.]+)")


def has_own_report(code: Path, folder: PurePosixPath) -> bool:
    """Whether a section has a report of its own: the package `multi_seed` beside its code."""
    names = (*folder.parts, _REPORT_PACKAGE)
    return all(map(str.isidentifier, names)) and code.joinpath(*names, "__main__.py").is_file()


def statement_in(folder: Path) -> Statement | None:
    """What a section's own report says about all trainings together; None without such a file.

    Raises:
        OSError: The file cannot be read.
        Unreadable: It is no statement.
    """
    path = folder / STATEMENT_NAME
    if not path.is_file():
        return None
    plain = read_object(path)
    require(_STATEMENT, plain, path.name)
    return Statement(
        verdict=plain.get("verdict", ""), lines=tuple(plain["lines"]), sessions=frozenset(plain.get("sessions", ()))
    )


def _name_sessions(folder: Path, account: CampaignReport) -> None:
    """Write into a statement whose results it judges: the page shows it only beside these results.

    Raises:
        RunFailed: The report wrote something else into this file.
    """
    path = folder / STATEMENT_NAME
    if not path.is_file():
        return
    try:
        plain = read_object(path)
        require(_STATEMENT, plain, path.name)
    except Unreadable as fault:
        raise RunFailed(
            f"the report of {account.section} wrote an unusable {STATEMENT_NAME}: {fault}",
            remedy="Write `lines`, a list of sentences, and `verdict` if it is the same for all variants.",
        ) from fault
    write_json(path, {**plain, "sessions": sorted(one.session for one in account.trials)})


def section_report(code: Path, beside: PurePosixPath, account: CampaignReport, folder: Path, new: Path) -> list[str]:
    """Write the account, and run the section's own report on it if there is one.

    Args:
        code: The project.
        beside: Folder of the section's code below it; its report is the package `multi_seed` there.
        folder: Receives the account; must exist.
        new: Receives the files of the section's own report, which are moved to `folder` later; must exist.

    Returns:
        Output lines for the user.

    Raises:
        BadInput: The libraries of the report are not installed.
        RunFailed: The report failed.
    """
    path = write_path(folder, account.section)
    write_json(path, report_json(account))
    lines = [f"Wrote {path.as_posix()}"]
    if not has_own_report(code, beside):
        return [*lines, f"{account.section} has no report of its own: the general one is written"]
    package = ".".join((*beside.parts, _REPORT_PACKAGE))
    ended = subprocess.run(
        [sys.executable, "-m", package, "--campaign", str(path.resolve()), "--output", str(new.resolve())],
        cwd=code,
        env={**os.environ, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if ended.returncode != 0:
        last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
        if missing := _MISSING.match(last):
            raise BadInput(
                f"the report of {account.section} needs {missing[1]}, which is not installed",
                remedy=f"Install its library: python -m pip install {missing[1]}",
            )
        raise RunFailed(f"the report of {account.section} failed: {last}", remedy=f"Check its input: {path}.")
    _name_sessions(new, account)
    return [*lines, *ended.stdout.replace(str(new.resolve()), str(folder)).splitlines()]
