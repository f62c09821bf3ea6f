"""Reads a hyper-parameter file of RL Zoo, and chooses an entry as RL Zoo does.

Source of the rules: `ExperimentManager.read_hyperparameters` in `rl_zoo3/exp_manager.py`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.core.errors import BadInput
from orchestrator.core.zoo.algorithms import ALGORITHMS, Algorithm, algorithm_named, require_algorithm
from orchestrator.core.zoo.entry import EntryFaults, ZooEntry
from orchestrator.core.zoo.environments import is_atari
from orchestrator.core.zoo.former import model_class
from orchestrator.core.zoo.reading import read_entry
from orchestrator.stores.adoption.rl_zoo import algorithm_in
from orchestrator.stores.yaml.document import Document, read_document
from orchestrator.stores.yaml.document import Path as Place
from orchestrator.stores.yaml.text_files import read_text
from orchestrator.stores.zoo.saved_config import SAVED, is_saved_config, read_saved_config

_DEFAULT, _ATARI = "default", "atari"
_SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooFile:
    """The entries of one algorithm.

    Attributes:
        path: The file.
        algorithm: Whose entries they are; None if each entry names its own.
        entries: Environment, `default` or `atari` -> entry, not understood yet.
        above: Place of the entries in the file.
        document: The whole file.
    """

    path: Path
    algorithm: Algorithm | None
    entries: Mapping[str, Any]
    above: Place
    document: Document

    @property
    def environments(self) -> list[str]:
        """Environments that have an entry of their own."""
        return [name for name in self.entries if name not in (_DEFAULT, _ATARI)]

    def placed(self, place: Place, text: str) -> str:
        """A sentence with the file and line of a place below the entries."""
        path = (*self.above, *place)
        lines = self.document.lines
        line = next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), 0)
        where = f"{self.path.name}, line {line}" if line else self.path.name
        return f"{where}: {'.'.join(map(str, place))}: {text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenEntry:
    """The entry for an environment.

    Attributes:
        name: Its key in the file: the environment, `default` or `atari`.
        entry: The entry.
        other_version: An environment of the file that is another version of the wanted one; empty without one.
    """

    name: str
    entry: ZooEntry
    other_version: str = ""


def read_zoo_file(path: Path, algorithm: str | None) -> ZooFile:
    """Read the entries of an algorithm.

    Args:
        path: A file named by its algorithm, as `ppo.yml`, or with one block for each algorithm; a folder of such; or
            the `config.yml` of a finished training, with its `args.yml` beside it.
        algorithm: The algorithm that the user names, None to take it from the file.

    Raises:
        BadInput: It cannot be read, or its algorithm is not known.
    """
    wanted = require_algorithm(algorithm) if algorithm is not None else None
    if path.is_dir():
        path = _file_in(path, wanted)
    if path.suffix.lower() == ".py":
        raise BadInput(
            f"{path} is a program, and only files in YAML are read",
            remedy="Write its dictionary `hyperparams` as YAML, and give that file.",
        )
    text = read_text(path)
    saved = is_saved_config(text)
    document = read_saved_config(text, path.name) if saved else read_document(text, path.name)
    plain = document.plain
    if document.faults:
        lines = dict.fromkeys(f"{path.name}, line {one.line}: {one.text}" for one in document.faults)
        raise BadInput("\n".join(lines), remedy="Correct the YAML there.")
    if not isinstance(plain, dict) or not plain:
        raise BadInput(
            f"{path} holds no entries",
            remedy="Give a file of RL Zoo, such as ppo.yml: environment -> hyper-parameters.",
        )
    blocks = {name: found for name in plain if (found := algorithm_named(name)) and isinstance(plain[name], dict)}
    if len(blocks) == len(plain):
        name = _block(path, blocks, wanted)
        return ZooFile(path=path, algorithm=blocks[name], entries=plain[name], above=(name,), document=document)
    named = wanted or algorithm_named((algorithm_in(path.parent) or "") if saved else path.stem)
    return ZooFile(path=path, algorithm=named, entries=plain, above=(), document=document)


def _file_in(folder: Path, wanted: Algorithm | None) -> Path:
    """The file of an algorithm in a folder such as RL Zoo's `hyperparams`."""
    try:
        files = {path.stem: path for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES}
    except OSError as fault:
        raise BadInput(f"{folder} cannot be read: {fault.strerror}", remedy="Name the file itself.") from fault
    known = {stem: path for stem, path in files.items() if algorithm_named(stem)}
    if wanted is None:
        remedy = f"Choose one of its files with --algo: {', '.join(known)}."
        none = "Name a file: ppo.yml of RL Zoo's `hyperparams`, or the config.yml of a finished training."
        raise BadInput(f"{folder} is a folder", remedy=remedy if known else none)
    for stem, path in known.items():
        if algorithm_named(stem) is wanted:
            return path
    raise BadInput(f"{folder} has no {wanted.stem}.yml", remedy=f"It has files for: {', '.join(known) or 'none'}.")


def _block(path: Path, blocks: Mapping[str, Algorithm], wanted: Algorithm | None) -> str:
    """The block of an algorithm in a file that holds several."""
    if wanted is None and len(blocks) == 1:
        return next(iter(blocks))
    for name, one in blocks.items():
        if one is wanted:
            return name
    what = "holds several algorithms" if wanted is None else f"has no block for {wanted.stem}"
    raise BadInput(f"{path.name} {what}", remedy=f"Name one of them with --algo: {', '.join(blocks)}.")


def choose_entry(file: ZooFile, env: str, *, exists: bool | None) -> ChosenEntry:
    """The entry for an environment: its own, else `atari`, else `default`.

    Args:
        env: Id of the environment.
        exists: Whether gymnasium has it; None if that is not known. Then an id that resembles one of the file is
            taken for a misspelled one.

    Raises:
        BadInput: There is no entry for it, or the entry is not understood; each fault with its line.
    """
    own = file.environments
    other = next((one for one in own if one != env and _name(one) == _name(env)), "")
    if list(file.entries) == [SAVED]:
        return ChosenEntry(name=env, entry=_understood(file, SAVED))
    if env in file.entries and env not in (_DEFAULT, _ATARI):
        return ChosenEntry(name=env, entry=_understood(file, env))
    fallback = next((one for one in ((_ATARI,) if is_atari(env) else ()) + (_DEFAULT,) if one in file.entries), None)
    near = [other] if other else difflib.get_close_matches(env, own, n=3, cutoff=0.8)
    if fallback is None or (exists is None and near):
        folded = [one for one in own if one.lower() == env.lower()]
        meant = folded or near or difflib.get_close_matches(env, own, n=3)
        hint = f"Did you mean {' or '.join(meant)}?" if meant else f"It has {_listed(own)}."
        raise BadInput(f"{file.path.name} has no entry for {env}", remedy=hint)
    return ChosenEntry(name=fallback, entry=_understood(file, fallback), other_version=other)


def _name(env: str) -> str:
    """An id without its version."""
    return env.rpartition("-v")[0] or env


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:12])
    return f"{shown} and {len(names) - 12} more" if len(names) > 12 else shown or "no entries"


def _understood(file: ZooFile, name: str) -> ZooEntry:
    plain = file.entries[name]
    place: Place = (name,)
    if not isinstance(plain, dict):
        raise BadInput(
            file.placed(place, "hyper-parameters are needed, each as key: value"), remedy="Correct the file there."
        )
    blocks = {key: found for key in plain if (found := algorithm_named(key)) and isinstance(plain[key], dict)}
    if plain and len(blocks) == len(plain):  # environment -> algorithm -> entry
        key = _block(file.path, blocks, file.algorithm)
        algorithm, plain, place = blocks[key], plain[key], (name, key)
    else:
        algorithm = model_class(plain) or file.algorithm or _unknown_algorithm(file)
    try:
        entry = read_entry(plain, algorithm)
    except EntryFaults as fault:
        lines = [file.placed((*place, *path), text) for path, text in fault.faults.items()]
        raise BadInput("\n".join(lines), remedy="Correct the file there; nothing was written.") from fault
    if entry.n_timesteps is None:
        raise BadInput(file.placed(place, "n_timesteps is missing"), remedy="Add it: the steps of the whole training.")
    return entry


def _unknown_algorithm(file: ZooFile) -> Algorithm:
    raise BadInput(
        f"{file.path.name} is not named after an algorithm of RL Zoo",
        remedy=f"Name it with --algo: {', '.join(ALGORITHMS)}.",
    )
