"""Recognises a failure by its text: the last resort of an autopsy, after endings, exit codes and states.

Each pattern must match an error as its writer prints it, at the beginning of a line, so that a training which only
prints such words is not taken for a failed one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.core.autopsy.verdicts import AutopsyVerdict as V

_TYPE = r"^(?:[\w.]+\.)?"
_FULL_DISK = (
    r"no space left on device|disk quota exceeded"
    r"|not enough space on the disk|not enough disk space|\[errno (?:28|122)\]|\[winerror (?:39|112)\]"
    # The same by the C library and by Windows in other languages.
    r"|aucun espace disponible sur le p\S+|plus d'espace sur le p\S+|espace insuffisant sur le disque"
    r"|quota d'espace disque d\S+|kein speicherplatz|nicht genug speicherplatz|(?:queda|hay) espacio"
    r"|espacio (?:en disco )?insuficiente|spazio esaurito|spazio (?:su disco )?insufficiente|spazio sul dispositivo"
    r"|espa\wo (?:dispon\S+ )?(?:no|em) (?:dispositivo|disco)|espa\wo insuficiente"
    r"|geen ruimte meer|niet genoeg (?:schijf)?ruimte|brak miejsca|za ma\wo miejsca"
    r"|нет (?:места|свободного места)|не осталось (?:свободного )?места|недостаточно места"
    r"|没有空间|空间不足|空き領域がありません|ディスク容量が不足|남은 공간이 없|공간이 부족"
)
"""A full disk in the words of the system; Python and pip pass them on."""
_MEMORY = (
    r"(?:cuda|hip|xpu|mps backend) (?:error: )?out of memory|can(?:'|no)t allocate memory|cannot allocate memory"
    r"|unable to allocate [\d.]+ [kmgtp]?i?b|not enough memory:|insufficient shared memory|failed to allocate memory"
    r"|oom when allocating|resource_exhausted: out of memory|cublas_status_alloc_failed|std::bad_alloc"
    # A child process that the system killed.
    r"|killed by signal: killed|died with <signals\.sigkill|sigkill\(-9\)|non-zero exit status (?:137|-9)\b"
    r"|impossible d'allouer (?:de )?la m\S+moire|m\S+moire insuffisante|\[errno 12\]"
)
_GPU = (
    r"no kernel image is available|not compiled with cuda|found no nvidia driver|driver version is insufficient"
    r"|no cuda gpus are available|no cuda-capable device|invalid device ordinal|device kernel image is invalid"
    r"|unsupported ptx|unspecified launch failure|illegal memory access|ecc error|gpu has fallen off the bus"
    r"|cuda unknown error|cuda driver (?:initialization failed|error)|cudnn_status_\w+|cudnn error"
    r"|cublas_status_(?!alloc)\w+|nccl error|torch\.cuda\.is_available\(\) is false"
    r"|cuda error: (?!out of memory|device)"
    r"|not compatible with the current pytorch|all cuda-capable devices are busy|system not yet initialized"
)
_LIBRARY = (
    r"no module named|cannot open shared object file|dll load failed|library not loaded|dependencynotinstalled"
    r"|distributionnotfound|packagenotfounderror|is not installed"
)
_NAN = (
    r"\bnan\b|not finite|non-?finite|(?:is|are|or|contains?|has) infinite|infinite (?:value|number)"
    r"|found inf\b|contains? inf(?:inity)?\b|\binf or nan\b"
    r"|overflow encountered|invalid value encountered|(?:divide|division) by zero encountered"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A failure and how its text looks."""

    verdict: V
    form: re.Pattern[str]
    detail: str = ""


def _sign(verdict: V, form: str, detail: str = "") -> Sign:
    return Sign(verdict=verdict, form=re.compile(form, re.IGNORECASE), detail=detail)


_GPU_MEMORY = "the memory of the GPU was used up"
_HOST_MEMORY = "the memory of the machine was used up"
_BY_KERNEL = "the system killed a process because the memory of the machine was used up"
_KILLED = "Killed|Tué|Processus arrêté|Getötet|Ucciso"
"""What a shell prints of a process that signal 9 ended."""

EXCEPTIONS: Sequence[Sign] = (
    _sign(V.DEPENDENCY_MISSING, _TYPE + r"ModuleNotFoundError: No module named ['\"]?(?P<name>[\w.]+)", "no {name}"),
    _sign(V.DEPENDENCY_MISSING, _TYPE + rf"(?:ImportError|OSError|[\w]*Not(?:Found|Installed)\w*): .*(?:{_LIBRARY})"),
    _sign(V.DEPENDENCY_MISSING, _TYPE + r"(?:DependencyNotInstalled|DistributionNotFound|PackageNotFoundError)\b"),
    _sign(V.DISK_FULL, _TYPE + rf"\w*(?:Error|Exception|Warning): .*(?:{_FULL_DISK}|disk is full)"),
    _sign(V.OUT_OF_MEMORY, _TYPE + r"OutOfMemoryError\b.*(?:cuda|gpu|hip)", _GPU_MEMORY),
    _sign(V.OUT_OF_MEMORY, _TYPE + r"\w*Error: (?:cuda|hip)[^:]*(?:error: )?out of memory", _GPU_MEMORY),
    _sign(V.OUT_OF_MEMORY, _TYPE + r"(?:OutOfMemoryError|MemoryError|_ArrayMemoryError|ResourceExhaustedError)\b"),
    _sign(V.OUT_OF_MEMORY, _TYPE + rf"\w*Error: .*(?:{_MEMORY})"),
    _sign(V.GPU_UNUSABLE, _TYPE + rf"\w*(?:Error|Exception): .*(?:{_GPU})"),
    _sign(V.CANCELLED, r"^KeyboardInterrupt\b", "it was interrupted by hand"),
    _sign(V.NAN, _TYPE + r"(?:NonFiniteTraining|FloatingPointError)\b"),
    _sign(V.NAN, _TYPE + rf"(?:Value|Runtime|Arithmetic|Assertion|Overflow)Error: .*(?:{_NAN})"),
)
"""How the last line of a traceback looks, the surest first."""

BARE: Sequence[Sign] = (
    _sign(
        V.OUT_OF_MEMORY,
        rf"^(?:\w*sh: )?(?:{_KILLED})$|^\S+: (?:line|ligne|Zeile) \d+: +\d+ (?:{_KILLED})\b",
        _BY_KERNEL,
    ),
    _sign(
        V.OUT_OF_MEMORY,
        r"^(?:\[[ \d.]+\] )?(?:Out of memory: Kill|Memory cgroup out of memory|oom[-_]kill)",
        _BY_KERNEL,
    ),
    _sign(V.OUT_OF_MEMORY, r"^(?:terminate called .*|.*what\(\): *)std::bad_alloc|^std::bad_alloc$"),
    _sign(V.DISK_FULL, rf"^[\w./-]+: .*(?:{_FULL_DISK})|^The disk is full\b|^No room on the disk\b"),
    _sign(V.OUT_OF_MEMORY, rf"^[\w./-]+: .*(?:{_MEMORY})", _HOST_MEMORY),
    _sign(
        V.DEPENDENCY_MISSING,
        r"^(?:[\w./-]+ ?: )*(?:(?:line|ligne) \d+ ?: )?(?P<name>[\w./-]+) ?: (?:command not found|commande introu)",
    ),
    _sign(V.DEPENDENCY_MISSING, r"^(?:[\w./-]+: )+error while loading shared libraries: (?P<name>[\w.+-]+)"),
    _sign(V.GPU_UNUSABLE, rf"^[\w./-]+: .*(?:{_GPU})|^terminate called .*CUDA error"),
)
"""How the messages of other programs and of the system look in a log."""

STATES: Sequence[Sign] = (
    _sign(
        V.WALL,
        r"time[d ]?\s?-?out|time limit|max(?:imum)? allowed execution|exceeded .*(?:time|seconds|hours|duration)",
    ),
    _sign(V.OUT_OF_MEMORY, r"allocate more memory|out of memory|memory limit|exceeded .*\b(?:memory|ram)\b|\boom\b"),
    _sign(V.DISK_FULL, rf"exceeded .*\bdisk\b|out of disk|disk (?:space|limit)|{_FULL_DISK}"),
    _sign(V.CANCELLED, r"^CANCEL_"),
)
"""The backend's own words for how a session ended, for instance Kaggle's failure message."""

REFUSALS: Sequence[Sign] = (
    _sign(V.CAP, r"maximum .*session count|slots? are in use|slots? (?:is|are) taken|no free slot"),
    _sign(V.QUOTA, r"maximum weekly .*quota|quota .*(?:reached|exceeded|spent|left|too short)|of the weekly .*quota"),
    _sign(V.STALE_CODE, r"^the code in this kernel has digest"),
    _sign(V.GPU_UNUSABLE, r"^the GPU failed a test computation|^the spec asks for cuda"),
    _sign(V.DISK_FULL, rf"^the disk is full|{_FULL_DISK}"),
    _sign(
        V.DEPENDENCY_MISSING,
        r"could not be installed from|this image lacks|but Python does not find it|which this computer lacks"
        r"|is not installed$|^run\.sb3 needs",
    ),
    _sign(
        V.CHECKPOINT_MISSING,
        r"^no checkpoint in .* verifies|the ledger knows checkpoints|without these inputs"
        r"|checkpoint\w* (?:is|are) missing",
    ),
)
"""The reasons of our own kernel, of this computer and of the service for not starting a session."""

_MOST_CHARS = 4_000
"""Far above any message. The time of some forms grows with the square of the length, and a session may print megabytes
without a line end."""


def first_sign(text: str, signs: Sequence[Sign]) -> tuple[Sign, str] | None:
    """The first sign that the beginning of a text shows, with what is known in detail."""
    for sign in signs:
        if (match := sign.form.search(text, 0, _MOST_CHARS)) is not None:
            return sign, sign.detail.format(**match.groupdict()) if sign.detail else ""
    return None


_MESSAGE_LINES = 3
"""A message may begin with an empty line; what follows are notes and advice."""
_CHAINED = "The above exception was the direct cause of the following exception:"


def failures(error: str) -> Iterator[str]:
    """The messages of an error's text: that of the final exception, then those of its direct causes.

    A line of context, such as a frame of the traceback, is no message. Exceptions that were handled before
    (`During handling of ...`) are left out: the code may have expected them.
    """
    for block in reversed(error.split(_CHAINED)):
        lines = block.rstrip().splitlines()
        start = max((number for number, line in enumerate(lines) if _is_frame(line)), default=None)
        tail = [line for line in lines[0 if start is None else start + 1 :] if line.strip()]
        if start is not None:
            tail = list(itertools.dropwhile(lambda line: line.startswith(" "), tail))  # the code of the frame
        if tail:
            yield " ".join(tail[:_MESSAGE_LINES])


def _is_frame(line: str) -> bool:
    return re.match(r'^\s+(?:\|\s+)?File ".*", line \d+', line) is not None


def is_of_child(message: str) -> bool:
    """Whether a message only says that a script or a program ended with a code: what it printed names the reason."""
    return "CalledProcessError: " in message or (" ended with " in message and not looks_like_error(message))


def looks_like_error(line: str) -> bool:
    """Whether a line of a log is the last line of a traceback."""
    return re.match(_TYPE + r"[A-Za-z_]*(?:Error|Exception|Training|Interrupt)(?::|$)", line) is not None
