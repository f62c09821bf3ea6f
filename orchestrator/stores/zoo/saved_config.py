"""Reads `config.yml`, in which RL Zoo saves the entry that a finished training had, beside its model.

The file holds one entry, as a list of pairs under a tag of Python. The tag is taken off; nothing is built by it.
Source: `ExperimentManager._save_config` in `rl_zoo3/exp_manager.py`.
"""

from __future__ import annotations

from dataclasses import replace

from orchestrator.stores.yaml.document import Document, read_document

_TAG = "!!python/object/apply:collections.OrderedDict"

SAVED = "config"
"""Name of the entry: the file does not say for which environment it is."""


def is_saved_config(text: str) -> bool:
    """Whether a text is such a file."""
    return text.lstrip().startswith(_TAG)


def read_saved_config(text: str, source: str) -> Document:
    """The file as one with a single entry, `config`.

    Args:
        text: The file's text.
        source: Its name, for messages.

    Raises:
        BadInput: It is not YAML.
    """
    document = read_document(text.replace(_TAG, " " * len(_TAG), 1), source)
    outer = document.plain
    pairs = outer[0] if isinstance(outer, list) and len(outer) == 1 else None
    if not isinstance(pairs, list) or not all(isinstance(one, list) and len(one) == 2 for one in pairs):
        return document
    names = {index: str(name) for index, (name, _) in enumerate(pairs)}
    lines = {
        (SAVED, names[path[1]], *path[3:]): line
        for path, line in document.lines.items()
        if len(path) >= 2 and isinstance(path[1], int) and path[2:3] in ((), (1,))
    }
    entry = {names[index]: value for index, (_, value) in enumerate(pairs)}
    return replace(document, plain={SAVED: entry}, lines=lines)
