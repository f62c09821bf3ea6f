"""A login node that is reached over SSH: commands and looks by one script each, transfers by sftp."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath, PurePosixPath

from orchestrator.backends.slurm.login_node import Answer, LoginNode, Storage
from orchestrator.backends.slurm.session.folder import SessionFolder
from orchestrator.backends.slurm.session.outputs import Outputs
from orchestrator.backends.slurm.session.sweeping import KEPT_FOLDERS, sweep
from orchestrator.backends.slurm.ssh import errors, scripts
from orchestrator.backends.slurm.ssh.connection import Connection, Reply
from orchestrator.backends.slurm.ssh.mirror import Mirror
from orchestrator.backends.slurm.ssh.sessions import bring, send

LOOK_S = 120.0
"""Time limit of a script that reads or writes small files."""


class SshLoginNode(LoginNode):
    """A login node behind SSH.

    Args:
        connection: To that computer.
        root: Folder of all sessions there, absolute.
        cache: Folder here for copies of what was seen there; it can be deleted at any time.
    """

    def __init__(self, connection: Connection, root: PurePosixPath, cache: Path) -> None:
        self._connection = connection
        self._root = root
        self._mirror = Mirror(cache)

    @property
    def title(self) -> str:
        """The login node as the card names it."""
        return self._connection.host

    @property
    def root(self) -> PurePosixPath:
        """As in `LoginNode`."""
        return self._root

    def run(self, words: Sequence[str], folder: PurePath | None, kept: Collection[str], limit_s: float) -> Answer:
        """As in `LoginNode`."""
        reply = self._connection.run(scripts.command(words, folder, kept), limit_s)
        if reply.code == scripts.NO_COMMAND:
            raise FileNotFoundError(words[0])
        return Answer(code=reply.code, out=reply.out.decode("utf-8", "replace"), err=reply.err)

    def names(self, prefix: str) -> list[str]:
        """As in `LoginNode`."""
        return self._text(scripts.names(self._root, prefix)).splitlines()

    def look(self, slug: str) -> SessionFolder:
        """As in `LoginNode`."""
        seen = self._look([slug])
        if slug not in seen:
            self._mirror.drop(slug)
        return self._mirror.folder(slug, seen.get(slug))

    def look_all(self) -> list[SessionFolder]:
        """As in `LoginNode`."""
        return [self._mirror.folder(slug, silences_s) for slug, silences_s in self._look([]).items()]

    def _look(self, slugs: Sequence[str]) -> dict[str, dict[int | None, float]]:
        """Bring the small files of sessions; for each that exists, the seconds since its starts have written.

        Those of a job array also for each task.
        """
        head, _, archive = self._run(scripts.look(self._root, slugs)).out.partition(b"\n\n")
        if head == b"\n" or not head:
            return {}
        seen: dict[str, dict[int | None, float]] = {}
        for row in (line.split() for line in head.decode("ascii", "replace").splitlines()):
            if len(row) == 2:
                slug, _, task = row[0].partition("/")
                seen.setdefault(slug, {})[int(task) if task else None] = float(row[1])
        with self._reading():
            self._mirror.take(seen, archive)
        return seen

    def grown(self, folder: SessionFolder, path: Path) -> Path:
        """As in `LoginNode`."""
        there = self._root / folder.root.name / path.relative_to(folder.root).as_posix()
        with self._mirror.alone(folder.root.name, path.name):
            while True:
                have = path.stat().st_size if path.is_file() else 0
                begins, _, content = self._run(scripts.grown(there, have)).out.partition(b"\n")
                if not begins:
                    path.unlink(missing_ok=True)
                    return path
                self._mirror.append(path, int(begins), content)
                if len(content) < scripts.CHUNK_BYTES:
                    return path

    def outputs(self, slug: str, member: int | None) -> Outputs:
        """As in `LoginNode`."""
        folder, own = self.look(slug).of(member)
        if not folder.starts.is_dir():
            return Outputs(folder=folder, member=own)
        outputs = folder.outputs(own)
        listing = self._run(scripts.listing(self._root / slug, outputs)).out
        with self._reading(), self._mirror.alone(slug, "outputs"):
            left = bring(self._connection, self._mirror, folder, self._root / slug, outputs, listing)
        self.grown(folder, folder.log)
        return Outputs(folder=folder, member=own, left=tuple(left))

    def place(self, slug: str, fill: Callable[[SessionFolder], None]) -> None:
        """As in `LoginNode`."""
        self._mirror.drop(slug)
        with self._reading():
            send(self._connection, self._run, self._root, self._mirror.root / ".new" / slug, fill)

    def write(self, slug: str, name: str, text: str) -> None:
        """As in `LoginNode`."""
        self._run(scripts.write(self._root / slug, name, text))

    def sweep(self) -> None:
        """As in `LoginNode`."""
        self._run(scripts.sweep(self._root, KEPT_FOLDERS))
        sweep(self._mirror.root)
        self._mirror.sweep()

    def absent(self, tools: Sequence[str]) -> list[str]:
        """As in `LoginNode`."""
        return self._text(scripts.absent(tools)).split()

    def storage(self) -> Storage:
        """As in `LoginNode`."""
        free_kib, writable = self._text(scripts.storage(self._root)).split()
        return Storage(free_bytes=int(free_kib) * 1024, writable=writable == "yes")

    def _text(self, script: str) -> str:
        return self._run(script).out.decode("utf-8", "surrogateescape")

    def _run(self, script: str) -> Reply:
        """Run a script that must succeed.

        Raises:
            RemoteUnavailable: The connection failed, or the script did.
            BadInput: A folder cannot be used there.
            StorageFault: A disk is full there.
        """
        with self._reading():
            reply = self._connection.run(script, LOOK_S)
        if reply.code in scripts.EXPECTED:
            return reply
        raise errors.of_files(self.title, reply.err)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """What was read or sent can be read or sent again: a connection that broke is no more than one that is away."""
        try:
            yield
        except (ConnectionError, TimeoutError) as fault:
            raise errors.unreachable(self.title, str(fault)) from fault
