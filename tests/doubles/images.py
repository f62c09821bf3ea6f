"""A second docker image for the loopback service: the same libraries, one of them in another version."""

from __future__ import annotations

import sys
from pathlib import Path

SECOND_IMAGE = "gcr.io/kaggle-images/python@sha256:" + "b2" * 32


def interpreter_with(root: Path, library: str, version: str) -> str:
    """An interpreter with the libraries of this one, but with another version of one of them.

    Args:
        root: Folder of the new environment.
        library: Name of an installed or missing distribution.
        version: What its metadata says there.

    Returns:
        Path of the interpreter.
    """
    packages = root / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    information = packages / f"{library}-{version}.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {library}\nVersion: {version}\n", "utf-8")
    here = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "same_libraries.pth").write_text("\n".join(here), "utf-8")
    interpreter = root / "bin" / "python"
    interpreter.parent.mkdir()
    base = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]  # CPython has it; typeshed does not
    interpreter.symlink_to(base)
    (root / "pyvenv.cfg").write_text(f"home = {base.parent}\ninclude-system-site-packages = false\n", "utf-8")
    return str(interpreter)
