"""Slurm's commands and the folders of the sessions on this computer, which is a login node itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePath

from orchestrator.backends.slurm.login_node import Answer, LoginNode, Storage
from orchestrator.backends.slurm.session.folder import SessionFolder
from orchestrator.backends.slurm.session.outputs import Outputs
from orchestrator.backends.slurm.session.sweeping import sweep
from orchestrator.core.secret_search import without_secrets
from orchestrator.kernel.files.atomic import write_text
from orchestrator.kernel.files.outputs import remove_tree

_OWN_VARIABLES = re.compile(r"(SBATCH|SQUEUE|SCANCEL|SINFO|SLURM)_(?!(CONF|JWT)$)")
"""They change what the commands do and show, above the lines of a batch script; a job's own ones are in its shell."""


class Here(LoginNode):
    """This computer.

    Args:
        root: Folder of all sessions, absolute, on a file system that the cluster's nodes share.
        environ: Environment of the commands, and so of the jobs: secrets are left out.
    """

    title = "this computer"

    def __init__(self, root: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._root = root
        self._environ = environ

    @property
    def root(self) -> Path:
        """As in `LoginNode`."""
        return self._root

    def run(self, words: Sequence[str], folder: PurePath | None, kept: Collection[str], limit_s: float) -> Answer:
        """Run a command to its end.

        Raises:
            FileNotFoundError: There is no such command.
            TimeoutError: It took longer than `limit_s`; it was killed.
        """
        environ = self.environment(kept)
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                cwd=folder,
                env=environ,
                timeout=limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired as fault:
            raise TimeoutError from fault
        out, err = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
        return Answer(code=done.returncode, out=out, err=err)

    def environment(self, kept: Collection[str]) -> dict[str, str]:
        """The variables of a command: no secrets, and of Slurm's own ones only those that are kept."""
        return without_secrets(
            {name: value for name, value in self._environ.items() if name in kept or not _OWN_VARIABLES.match(name)}
        )

    def names(self, prefix: str) -> list[str]:
        """As in `LoginNode`."""
        return [path.name for path in self._root.glob(f"{prefix}*")]

    def look(self, slug: str) -> SessionFolder:
        """As in `LoginNode`."""
        return SessionFolder(root=self._root / slug)

    def look_all(self) -> list[SessionFolder]:
        """As in `LoginNode`."""
        return [self.look(name) for name in self.names("")]

    def grown(self, folder: SessionFolder, path: Path) -> Path:
        """As in `LoginNode`."""
        return path

    def outputs(self, slug: str, member: int | None) -> Outputs:
        """As in `LoginNode`."""
        folder, own = self.look(slug).of(member)
        return Outputs(folder=folder, member=own)

    def place(self, slug: str, fill: Callable[[SessionFolder], None]) -> None:
        """As in `LoginNode`; the nonce, which `fill` writes last, makes the folder count."""
        folder = self.look(slug)
        if folder.root.exists():
            remove_tree(folder.root)
        try:
            fill(folder)
        except OSError:
            remove_tree(folder.root, ignore_errors=True)  # free the disk space again
            raise

    def write(self, slug: str, name: str, text: str) -> None:
        """As in `LoginNode`."""
        path = self._root / slug / name
        if not path.exists():
            write_text(path, text)

    def sweep(self) -> None:
        """As in `LoginNode`."""
        sweep(self._root)

    def absent(self, tools: Sequence[str]) -> list[str]:
        """As in `LoginNode`."""
        return [tool for tool in tools if shutil.which(tool, path=self._environ.get("PATH")) is None]

    def storage(self) -> Storage:
        """As in `LoginNode`."""
        folder = self._root
        while not folder.exists():
            folder = folder.parent
        return Storage(free_bytes=shutil.disk_usage(folder).free, writable=os.access(folder, os.W_OK))
