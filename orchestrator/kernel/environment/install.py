"""Installs missing requirements. Libraries of the image are never replaced, not even by the pinned version."""

from __future__ import annotations

import errno
import re
import shutil
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from orchestrator.kernel.environment.machine import Machine
from orchestrator.kernel.environment.requirements import Requirement, canonical_name
from orchestrator.kernel.files.scan import survey_mounts
from orchestrator.kernel.files.workspace import Workspace
from orchestrator.kernel.outcome import SessionRefused

INSTALL_LIMIT_S = 300.0
_FULL = re.compile(r"No space left on device|Disk quota exceeded|not enough space on the disk", re.IGNORECASE)
OF_THE_IMAGE = frozenset({"torch"})
"""Never installed: only the image's build fits the driver, and another build is a download of gigabytes."""

# Version identifiers that pip accepts in a constraints file; images contain a few that pip refuses.
# Source: Python packaging specifications, "Version specifiers", normalized forms.
_VERSION = re.compile(
    r"(\d+!)?\d+(\.\d+)*((a|b|rc)\d+)?(\.post\d+)?(\.dev\d+)?(\+[a-z0-9]+([._-][a-z0-9]+)*)?", re.IGNORECASE
)


def supply(requirements: Sequence[Requirement], workspace: Workspace, machine: Machine) -> tuple[Requirement, ...]:
    """Install missing requirements into the session's scratch folder, and add that folder to the import path.

    Returns:
        The requirements that were installed.

    Raises:
        SessionRefused: A missing requirement could not be installed.
        OSError: There is no room for it.
    """
    before = machine.versions() if requirements else {}
    missing = tuple(requirement for requirement in requirements if requirement.name not in before)
    if not missing:
        return ()
    names = ", ".join(map(str, missing))
    absent = sorted(OF_THE_IMAGE & {requirement.name for requirement in missing})
    if absent:
        raise SessionRefused(
            f"the section needs {', '.join(absent)}, which this image lacks and which is never installed",
            remedy="Run the session on an image that has it; Kaggle's own GPU image does.",
        )
    wheelhouses = _wheelhouses(missing, workspace.inputs)
    prefix = workspace.scratch / "site"
    done = machine.run(_pip_command(missing, before, prefix, wheelhouses, machine.interpreter), INSTALL_LIMIT_S)
    if done.exit_code != 0:
        if _FULL.search(done.summary):
            shutil.rmtree(prefix, ignore_errors=True)
            raise OSError(errno.ENOSPC, f"no room to install {names}", str(prefix))
        source = "the mounted wheels" if wheelhouses else "the package index"
        raise SessionRefused(
            f"{names} could not be installed from {source}:\n{done.summary}",
            remedy="Put the missing wheels and their dependencies into one mounted dataset"
            + ("." if wheelhouses else ", or switch the kernel's internet on."),
        )
    machine.import_from(_site_folders(prefix))
    lost = [str(requirement) for requirement in missing if requirement.name not in machine.versions()]
    if lost:
        raise SessionRefused(
            f"pip installed {', '.join(lost)}, but Python does not find it",
            remedy="Run the session on an image that has it.",
        )
    return missing


def _pip_command(
    missing: Sequence[Requirement],
    installed: Mapping[str, str],
    prefix: Path,
    wheelhouses: Sequence[Path],
    interpreter: str,
) -> list[str]:
    """The command line of pip.

    `--prefix` and not `--target`: the latter ignores installed libraries and would download torch again.
    The constraints make pip fail instead of replacing a library of the image.
    """
    prefix.mkdir(parents=True, exist_ok=True)
    constraints = prefix / "constraints.txt"
    pins = [f"{name}=={version}" for name, version in sorted(installed.items()) if _VERSION.fullmatch(version)]
    constraints.write_text("\n".join(pins) + "\n", encoding="utf-8")
    quiet = ["--no-input", "--disable-pip-version-check", "--no-warn-script-location"]
    bounded = ["--retries", "1", "--timeout", "15"]
    where = ["--no-index"] if wheelhouses else []
    for folder in wheelhouses:
        where += ["--find-links", str(folder)]
    place = ["--prefix", str(prefix), "--constraint", str(constraints)]
    return [interpreter, "-m", "pip", "install", *quiet, *bounded, *place, *where, *map(str, missing)]


def _wheelhouses(missing: Sequence[Requirement], inputs: Sequence[Path]) -> list[Path]:
    """Folders that hold a wheel of a missing requirement."""
    names = {requirement.name for requirement in missing}
    wheels = [file.path for file in survey_mounts(inputs).files if file.path.suffix == ".whl"]
    return sorted({path.parent for path in wheels if canonical_name(path.name.split("-")[0]) in names})


def _site_folders(prefix: Path) -> list[Path]:
    """Folders into which pip installs modules below a prefix: pure Python, and with compiled parts."""
    scheme = sysconfig.get_preferred_scheme("prefix")
    base = {"base": str(prefix), "platbase": str(prefix)}
    return [Path(path) for path in sorted({sysconfig.get_path(kind, scheme, base) for kind in ("purelib", "platlib")})]
