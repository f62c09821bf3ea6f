"""Shell scripts for the login node: bash, coreutils, findutils and tar of GNU. No I/O.

Paths are arguments, quoted here; a script never expands what a card holds.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePath

MOST_LOOK_BYTES = 64 << 20
"""Of the small files of all sessions together."""
CHUNK_BYTES = 32 << 20
"""Of a log that is brought in parts."""

NO_COMMAND, DAMAGED, TAKEN = 127, 3, 4
"""Exit codes: there is no such command; a file is not what was sent; the session was submitted meanwhile."""
EXPECTED = frozenset({0, DAMAGED, TAKEN})

_PLAIN = "export LC_ALL=C\n"
"""Sentences of failure in English. Not for sbatch, whose jobs inherit the variables."""


def command(words: Sequence[str], folder: PurePath | None, kept: Collection[str]) -> str:
    """One of Slurm's commands, without the variables that change what it does."""
    exempt = "|".join(("SLURM_CONF", "SLURM_JWT", *sorted(kept)))
    place = "" if folder is None else f"cd -- {_quoted(folder)} || exit 1\n"
    return (
        "local name\n"
        "for name in $(compgen -e); do\n"
        f'  case $name in {exempt}) ;; SBATCH_*|SQUEUE_*|SCANCEL_*|SINFO_*|SLURM_*) unset "$name" ;; esac\n'
        f"done\n{place}"
        f"command -v {_quoted(words[0])} >/dev/null || exit {NO_COMMAND}\n{shlex.join(words)}"
    )


def variables(names: Iterable[str]) -> str:
    """The values of variables, each followed by a zero byte; of one that is not set, nothing but that byte."""
    return "\n".join(f"printf '%s\\0' \"${{{name}-}}\"" for name in names)


def absent(tools: Sequence[str]) -> str:
    """The commands that are not installed, one a line."""
    return f'local tool\nfor tool in {shlex.join(tools)}; do command -v "$tool" >/dev/null || echo "$tool"; done'


def storage(root: PurePath) -> str:
    """Free KiB of the file system of a folder or the nearest one above it, and whether that can be written."""
    return (
        f"{_PLAIN}local folder={_quoted(root)}\n"
        'until [ -d "$folder" ]; do folder=$(dirname "$folder"); done\n'
        "df -Pk -- \"$folder\" | awk 'NR == 2 { print $4 }'\n"
        '[ -w "$folder" ] && echo yes || echo no'
    )


def names(root: PurePath, prefix: str) -> str:
    """Names of folders with that prefix, one a line."""
    return (
        f"cd -- {_quoted(root)} 2>/dev/null || exit 0\nshopt -s nullglob\nlocal one\n"
        f'for one in {_quoted(prefix)}*/; do echo "${{one%/}}"; done'
    )


_NEWEST = r"""
{ when = int($1); if (when > newest[""]) newest[""] = when
  task = substr($2, length(slug) + 2)
  if (sub(/^(starts\/|kernel\.)/, "", task) && match(task, /^[0-9]+(-|\.log$)/)) {
    sub(/[^0-9].*/, "", task); if (when > newest[task]) newest[task] = when } }
END { newest[""] += 0; for (task in newest) print slug (task == "" ? "" : "/" task), now - newest[task] }
"""
"""For awk: times and paths of what a session has written -> the age of the newest, of all and of each task."""


def look(root: PurePath, slugs: Sequence[str]) -> str:
    """For each session its name and the seconds since its starts have written something; then a tar of small files.

    A session of a job array has a line more for each task: its name, `/` and the task's number.

    Args:
        slugs: Empty for all sessions.
    """
    return f"""{_PLAIN}cd -- {_quoted(root)} 2>/dev/null || {{ echo; exit 0; }}
shopt -s nullglob
local slug now found=() asked=({shlex.join(slugs) if slugs else "*"})
now=$(date +%s)
for slug in "${{asked[@]}}"; do
  [ -d "$slug" ] || continue
  found+=("$slug")
  find "$slug"/kernel.*log "$slug/starts" -printf '%T@ %p\\n' 2>/dev/null |
  awk -v slug="$slug" -v now="$now" '{_NEWEST}'
done
echo
[ ${{#found[@]}} -gt 0 ] || exit 0
{{
  find "${{found[@]}}" -mindepth 1 -maxdepth 1 -type f ! -name 'kernel.*' ! -name batch.sh -print0
  find "${{found[@]}}" -mindepth 1 -maxdepth 3 -type d \\( -path '*/starts' -o -path '*/starts/*' \\) -print0
  find "${{found[@]}}" -mindepth 3 -maxdepth 3 -type f -path '*/starts/*/job' -print0
  find "${{found[@]}}" -mindepth 4 -maxdepth 5 -type f -path '*/starts/*/working/*' \\
    \\( -name session_manifest.json -o -name pack.json \\) -print0
}} | tar --create --null --no-recursion --files-from=- --file=- 2>/dev/null | head -c {MOST_LOOK_BYTES}"""


def grown(path: PurePath, have: int) -> str:
    """What a file has after a byte: first the byte at which the answer begins, 0 if the file is shorter than that."""
    return f"""{_PLAIN}local size have={have} path={_quoted(path)}
[ -f "$path" ] || exit 0
size=$(stat -L -c %s -- "$path") || exit 1
[ "$size" -ge "$have" ] || have=0
echo "$have"
tail -c "+$((have + 1))" -- "$path" | head -c {CHUNK_BYTES}"""


def listing(folder: PurePath, outputs: str) -> str:
    """What the starts of a session have written: kind, size, time of change and path of each, with zero bytes between.

    Kinds: d folder, f file or link to one, l link to a folder elsewhere, o anything else, x may not be read.

    Args:
        outputs: Pattern of the output folders below that of the starts.
    """
    form = "'%s\\0%T@\\0%p\\0'"
    return f"""{_PLAIN}cd -- {_quoted(folder)}/starts 2>/dev/null || exit 0
shopt -s nullglob
local top here one
for top in {outputs}; do
  [ -d "$top" ] || continue
  here=$(readlink -f -- "$top")
  find "$top" -type d -readable -printf 'd\\0'{form}
  find "$top" -type f -readable -printf 'f\\0'{form}
  find "$top" -type l -xtype f -readable -exec stat -L --printf 'f\\0%s\\0%Y\\0%n\\0' {{}} +
  find "$top" ! -type l ! -readable -printf 'x\\0'{form}
  find "$top" -type l -xtype f ! -readable -printf 'x\\0'{form}
  find "$top" ! -type d ! -type f ! -xtype d ! -xtype f -printf 'o\\0'{form}
  find "$top" -type l -xtype d -print0 | while IFS= read -r -d '' one; do
    case $(readlink -f -- "$one") in "$here"|"$here"/*) ;; *) printf 'l\\0000\\0000\\0%s\\0' "$one" ;; esac
  done
done 2>/dev/null
exit 0"""


def prepare(root: PurePath, new: str, folders: Iterable[str], files: Mapping[str, tuple[int, str]]) -> str:
    """A folder to be filled, with what the cluster has already; prints size and path of each file that is there.

    A checkpoint that an earlier session wrote is on the cluster: it is copied there, and not sent again.

    Args:
        new: Name of the folder.
        folders: Folders in it, parents first.
        files: Those to be filled in: path -> size and SHA-256.
    """
    slug = new.removeprefix(".new-").rpartition("-")[0]
    wanted = "".join(f"{size} {digest} {path}\n" for path, (size, digest) in files.items())
    return f"""{_PLAIN}umask 077
local one size digest path
mkdir -p -- {_quoted(root)} && cd -- {_quoted(root)} || exit 1
shopt -s nullglob
for one in .new-{slug}-*; do [ "$one" = {_quoted(new)} ] || rm -rf -- "$one"; done
mkdir -p -- {shlex.join((new, *(f"{new}/{one}" for one in folders)))} || exit 1
while read -r size digest path; do
  [ ! -e {_quoted(new)}/"$path" ] || continue
  find . -type f -path './*/starts/*' -name "${{path##*/}}" -size "${{size}}c" -print0 2>/dev/null |
  while IFS= read -r -d '' one; do
    [ "$(sha256sum < "$one")" = "$digest  -" ] && cp -- "$one" {_quoted(new)}/"$path" && break
  done
done <<'END-OF-FILES'
{wanted}END-OF-FILES
cd -- {_quoted(new)} && find . -type f -printf '%s %P\\n'"""


def publish(root: PurePath, new: str, slug: str, files: Mapping[str, tuple[int, str]]) -> str:
    """Check the digest of each file, then give a new folder its name; exit code `DAMAGED` or `TAKEN` if it cannot."""
    lines = "".join(f"{digest}  {path}\n" for path, (_, digest) in files.items())
    return f"""{_PLAIN}cd -- {_quoted(root)}/{_quoted(new)} || exit 1
sha256sum --check --strict --status <<'END-OF-FILES' || {{ cd .. && rm -rf -- {_quoted(new)}; exit {DAMAGED}; }}
{lines}END-OF-FILES
cd .. || exit 1
[ ! -e {slug}/{_quoted("submitted.json")} ] || exit {TAKEN}
rm -rf -- .old-{slug}
[ ! -e {slug} ] || mv -T -- {slug} .old-{slug} || exit 1
mv -T -- {_quoted(new)} {slug} || exit 1
rm -rf -- .old-{slug}"""


def why_full(root: PurePath, new: str) -> str:
    """Why a transfer failed, in the words of the system; frees the space if the disk is full."""
    return f"""{_PLAIN}cd -- {_quoted(root)} || exit 1
head -c 1048576 /dev/zero > {_quoted(new)}/.probe && rm -f -- {_quoted(new)}/.probe && exit 0
rm -rf -- {_quoted(new)}
exit 1"""


def write(folder: PurePath, name: str, text: str) -> str:
    """A small file, whole or not at all; one that is there stays."""
    quoted, draft = _quoted(name), _quoted(f".partial-{name}")
    return f"""{_PLAIN}umask 077
cd -- {_quoted(folder)} || exit 1
[ ! -e {quoted} ] || exit 0
printf %s {_quoted(text)} > {draft} && mv -- {draft} {quoted}"""


def sweep(root: PurePath, kept: int) -> str:
    """Delete the outputs of sessions that were fetched, except the newest ones, and drafts that were left behind."""
    return f"""{_PLAIN}cd -- {_quoted(root)} 2>/dev/null || exit 0
local one
find . -mindepth 2 -maxdepth 2 -type f -name fetched -printf '%T@ %h\\n' | sort -rn | tail -n +{kept + 1} |
while read -r _ one; do
  [ ! -e "$one/starts" ] || mv -T -- "$one/starts" "$one/emptied"
  rm -rf -- "$one/emptied" "$one/input" && rm -f -- "$one/fetched"
done
find . -mindepth 1 -maxdepth 1 \\( -name '.new-*' -o -name '.old-*' \\) -mtime +7 -exec rm -rf -- {{}} +"""


def _quoted(text: PurePath | str) -> str:
    return shlex.quote(str(text))
