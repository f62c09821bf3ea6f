"""Versions of libraries for the `requirements.txt` of a new project, and where this program was installed from."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from orchestrator.core.zoo.environments import pip_words
from orchestrator.kernel.reading.json_text import read_json
from orchestrator.kernel.reading.shapes import TEXT, fields, fits

_INSTALLED = Path(__file__).resolve().parents[3]
_PACKAGE = "orchestrator"
_ORIGIN = fields({"url": TEXT}, {"vcs_info": fields({"vcs": TEXT, "commit_id": TEXT}, others=True)}, others=True)
_PIN = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)")


def requirement_lines(modules: Iterable[str]) -> list[str]:
    """A line `name==version` for each imported library; a comment where no version is known.

    The version is the installed one, else the one that the shipped sections were tested with.

    Args:
        modules: Top-level import names.
    """
    distributions, tested = importlib.metadata.packages_distributions(), _tested_versions()
    return list(dict.fromkeys(_line(name, distributions, tested) for name in sorted(modules)))


def _line(module: str, distributions: Mapping[str, list[str]], tested: Mapping[str, str]) -> str:
    for name in sorted(set(distributions.get(module, ()))):
        version = importlib.metadata.version(name).partition("+")[0]  # "+cpu" names a build of it
        return f"{name}=={version}"
    known = _canonical(module)
    if known in tested:
        return f"{known}=={tested[known]}"
    library = next(iter(pip_words(module)), "name").partition("[")[0]
    return f"# {module} is imported and not installed here: write its library as {library}==version"


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _tested_versions() -> dict[str, str]:
    """Library -> version in the requirements of the shipped sections."""
    files = sorted(_INSTALLED.glob("validation_ch7/*/requirements.txt"))
    pins = (_PIN.match(line) for path in files for line in path.read_text(encoding="utf-8").splitlines())
    return {_canonical(pin[1]): pin[2] for pin in pins if pin}


def own_requirement() -> str | None:
    """What pip installs in a scheduled job to get this version; None if it came from a folder of this computer."""
    names = importlib.metadata.packages_distributions().get(_PACKAGE)
    if not names:
        return None
    own = importlib.metadata.distribution(names[0])
    # Source: PEP 610, "Recording the Direct URL Origin of installed distributions".
    recorded = own.read_text("direct_url.json")
    if recorded is None:
        return f"{names[0]}=={own.version}"
    plain = read_json(recorded, "direct_url.json")
    if not fits(_ORIGIN, plain):
        return None
    url, vcs = plain["url"], plain.get("vcs_info")
    parts = urlsplit(url)
    if parts.scheme == "file" or ("@" in parts.netloc and parts.scheme != "ssh"):  # no password enters a project
        return None
    return f"{names[0]} @ {vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else f"{names[0]} @ {url}"
