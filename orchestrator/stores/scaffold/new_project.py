"""Composes the files of a new project and checks them, before any of them is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.core.errors import BadInput
from orchestrator.core.section.naming import MOST_CHARS, is_section_name, section_name
from orchestrator.stores.campaign.campaign_yaml import parse_campaign
from orchestrator.stores.project import reserved_names
from orchestrator.stores.scaffold.algorithms import LIBRARIES, module_of_environment, policies_of, steps_of
from orchestrator.stores.scaffold.libraries import own_requirement, requirement_lines
from orchestrator.stores.scaffold.templates import FILES, render
from orchestrator.stores.scaffold.user_script import UserScript
from orchestrator.stores.scaffold.zoo_notes import EXPLORING, schedules_of
from orchestrator.stores.scaffold.zoo_script import ZooTraining, zoo_script
from orchestrator.stores.section.card_yaml import parse_card

SCRIPT = "train.py"
_KEPT = frozenset({".gitignore", ".github/workflows/train.yml", "README.md"})
"""Files that a folder may have already, with the user's own content."""
_LOOP_STEPS = (20_000, 1_000_000)
"""Targets of quick and full of the plain loop: less than a second, and some seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the user asks for.

    Attributes:
        folder: The project's folder, which need not exist.
        section: Name of the section; empty to make it from the folder's name.
        env: Id of a gymnasium environment; empty for a loop or a script of the user.
        algorithm: Of `LIBRARIES`; used with `env`.
        script: A script of the user.
        zoo: An entry of RL Zoo.
    """

    folder: Path
    section: str = ""
    env: str = ""
    algorithm: str = "PPO"
    script: UserScript | None = None
    zoo: ZooTraining | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProject:
    """A project that can be written.

    Attributes:
        section: Name of its section.
        script: Path of its script below the folder.
        files: Path below the folder, with `/` -> content. The card is the last: with it the folder becomes a project.
        keeps: The paths at which a file of the user may stay.
    """

    section: str
    script: str
    files: Mapping[str, bytes]
    keeps: Collection[str]


def compose(wanted: Wanted) -> NewProject:
    """The files of a new project.

    Raises:
        BadInput: The name, the environment or the script cannot be used.
    """
    name = _name(wanted)
    script = wanted.script.place if wanted.script else SCRIPT
    quick, full = _steps(wanted)
    lines = requirement_lines(_libraries(wanted))
    values = {
        "name": name,
        "title": _printable(wanted.folder.resolve().name) or name,
        "script": script,
        "script_folder": script.rpartition("/")[0] + "/" if "/" in script else "",
        "quick_steps": quick,
        "full_steps": full,
        "seed": wanted.script.seed if wanted.script else 0,
        "scheduled": _is_scheduled(wanted),
        "requirements": lines,
        "installs": any(not line.startswith("#") for line in lines),
        "install": own_requirement(),
    }
    files = {path.format(**values): render(template, **values) for template, path in FILES.items()}
    files[script] = wanted.script.content if wanted.script else _script(wanted, full)
    card, campaign = FILES["section.yaml.j2"].format(**values), FILES["campaign.yaml.j2"].format(**values)
    files[card] = files.pop(card)
    parse_card(files[card].decode(), f"{name}.yaml", wanted.folder / "validation_ch7")
    parse_campaign(files[campaign].decode(), f"{name}.yaml")
    requirements = FILES["requirements.txt.j2"].format(**values)
    return NewProject(section=name, script=script, files=files, keeps=_KEPT | {requirements})


def requirements_of(project: NewProject) -> list[str]:
    """Path of the requirements, if they name a library."""
    for path, content in project.files.items():
        if path.endswith("requirements.txt") and any(line and line[:1] != b"#" for line in content.splitlines()):
            return [path]
    return []


def _name(wanted: Wanted) -> str:
    reserved = reserved_names()
    if not wanted.section:
        return section_name(wanted.folder.resolve().name, reserved)
    if not is_section_name(wanted.section, reserved):
        raise BadInput(
            f"{wanted.section!r} cannot be the name of a section",
            remedy=f"Give up to {MOST_CHARS} lower-case letters, digits and single _, a letter first, no name of a "
            f"shipped section; for example {section_name(wanted.section, reserved)}.",
        )
    return wanted.section


def _printable(name: str) -> str:
    """A folder's name on one line, in characters that YAML and UTF-8 have."""
    plain = "".join(letter if letter.isprintable() else " " for letter in name)
    return " ".join(plain.split())


def _steps(wanted: Wanted) -> tuple[int | None, int | None]:
    if wanted.zoo is not None:
        return max(1, wanted.zoo.target // 10), wanted.zoo.target
    if wanted.script is None:
        return steps_of(wanted.algorithm) if wanted.env else _LOOP_STEPS
    target = wanted.script.target
    return (None, None) if target is None else (max(1, target // 10), target)


def _is_scheduled(wanted: Wanted) -> bool:
    """Whether a value of the training changes up to the target, so that quick is no beginning of full."""
    if wanted.zoo is not None:
        return bool(schedules_of(wanted.zoo.entry))
    return bool(wanted.env) and wanted.algorithm in EXPLORING


def _libraries(wanted: Wanted) -> Collection[str]:
    if wanted.script is not None:
        return wanted.script.libraries
    if wanted.zoo is not None:
        return [name for name in wanted.zoo.libraries if not _is_beside(wanted.folder, name)]
    if not wanted.env:
        return ()
    own = module_of_environment(wanted.env).partition(".")[0]
    return {"gymnasium", LIBRARIES[wanted.algorithm], *([own] if own and not _is_beside(wanted.folder, own) else [])}


def _is_beside(folder: Path, module: str) -> bool:
    """Whether a module is the user's own, in the project's folder."""
    return any((folder / name).exists() for name in (module, f"{module}.py"))


def _script(wanted: Wanted, full_steps: int | None) -> bytes:
    if wanted.zoo is not None:
        return zoo_script(wanted.zoo)
    if not wanted.env:
        return render("train_loop.py.j2", full_steps=full_steps)
    return render(
        "train_sb3.py.j2",
        env=wanted.env,
        module=module_of_environment(wanted.env),
        algorithm=wanted.algorithm,
        library=LIBRARIES[wanted.algorithm],
        policies=policies_of(wanted.algorithm),
        full_steps=full_steps,
    )
