"""Texts of failures as their writers print them, in the languages of their systems."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from orchestrator.core.autopsy.error_text import BARE, EXCEPTIONS, REFUSALS, STATES, failures, first_sign
from orchestrator.core.autopsy.evidence import shown
from orchestrator.core.autopsy.verdicts import AutopsyVerdict as V
from orchestrator.kernel.environment.device import probe_device
from orchestrator.kernel.environment.install import supply
from orchestrator.kernel.environment.machine import Machine
from orchestrator.kernel.environment.requirements import Requirement
from orchestrator.kernel.environment.subprocesses import Ran
from orchestrator.kernel.files.workspace import Workspace
from orchestrator.kernel.outcome import SessionRefused

DISK = [
    "OSError: [Errno 28] No space left on device: '/kaggle/working/x.zip'",
    "OSError: [Errno 28] Aucun espace disponible sur le périphérique",
    "OSError: [Errno 122] Quota d'espace disque dépassé",
    "OSError: [WinError 112] Espace insuffisant sur le disque",
    "OSError: [WinError 112] Es steht nicht genug Speicherplatz auf dem Datenträger zur Verfügung",
    "OSError: Auf dem Gerät ist kein Speicherplatz mehr verfügbar",
    "OSError: No queda espacio en el dispositivo",
    "OSError: Spazio esaurito sul device",
    "OSError: Não há espaço disponível no dispositivo",
    "OSError: На устройстве не осталось свободного места",
    "OSError: 设备上没有空间",
    "OSError: デバイスに空き領域がありません",
    "sqlite3.OperationalError: database or disk is full",
]
MEMORY = [
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB",
    "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB",
    "RuntimeError: CUDA error: out of memory",
    "RuntimeError: [enforce fail at alloc_cpu.cpp:114] data. DefaultCPUAllocator: can't allocate memory: you tried",
    "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 74.5 GiB for an array with shape (1000, 1000)",
    "MemoryError",
    "OSError: [Errno 12] Cannot allocate memory",
    "OSError: [Errno 12] Impossible d'allouer de la mémoire",
    "RuntimeError: DataLoader worker is killed by signal: Bus error. It might be insufficient shared memory (shm).",
    "RuntimeError: DataLoader worker (pid 12) is killed by signal: Killed. ",
    "subprocess.CalledProcessError: Command '['sumo']' died with <Signals.SIGKILL: 9>.",
    "subprocess.CalledProcessError: Command '['sumo']' returned non-zero exit status 137.",
    "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes",
]
GPU = [
    "RuntimeError: CUDA error: no kernel image is available for execution on the device",
    "AssertionError: Torch not compiled with CUDA enabled",
    "RuntimeError: No CUDA GPUs are available",
    "RuntimeError: cuDNN error: CUDNN_STATUS_NOT_INITIALIZED",
    "RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
    "RuntimeError: Attempting to deserialize object on a CUDA device but torch.cuda.is_available() is False.",
    "RuntimeError: Unexpected error from cudaGetDeviceCount(): CUDA driver version is insufficient for CUDA runtime",
]
LIBRARY = [
    "ModuleNotFoundError: No module named 'sumo_rl'",
    "ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
    "gymnasium.error.DependencyNotInstalled: Box2D is not installed, run `pip install swig`",
    "importlib.metadata.PackageNotFoundError: No package metadata was found for torch",
    "ImportError: DLL load failed while importing _imaging: Le module spécifié est introuvable.",
]
NAN = [
    "ValueError: Expected parameter logits (Tensor of shape (64, 2)) of distribution Categorical to "
    "satisfy the constraint Real(), but found invalid values: tensor([[nan, nan]])",
    "ValueError: cannot convert float NaN to integer",
    "RuntimeError: Function 'MulBackward0' returned nan values in its 0th output.",
    "FloatingPointError: overflow encountered in multiply",
    "ValueError: Input contains NaN.",
    "ValueError: found inf in observations",
]
OWN = [
    "ValueError: could not broadcast input array from shape (3,) into shape (4,)",
    "KeyError: 'nan'",
    "ValueError: not enough space in the replay buffer",
    "ValueError: not enough memory cells",
    "RuntimeError: infinite loop detected",
    "subprocess.CalledProcessError: Command '['sumo']' returned non-zero exit status 1.",
    "AssertionError: the memory of the agent must not be empty",
    "FileNotFoundError: [Errno 2] No such file or directory: 'disk_full.csv'",
    "IndexError: index 5 is out of bounds for axis 0 with size 5",
    "ImportError: cannot import name 'Foo' from 'bar'",
]
KINDS = {V.DISK_FULL: DISK, V.OUT_OF_MEMORY: MEMORY, V.GPU_UNUSABLE: GPU, V.DEPENDENCY_MISSING: LIBRARY, V.NAN: NAN}
CASES = [(verdict, text) for verdict, texts in KINDS.items() for text in texts]


@pytest.mark.parametrize(("verdict", "text"), CASES)
def test_exceptions_are_recognised(verdict: V, text: str) -> None:
    found = first_sign(text, EXCEPTIONS)
    assert found is not None and found[0].verdict is verdict


@pytest.mark.parametrize("text", OWN)
def test_other_exceptions_are_the_sections_own(text: str) -> None:
    assert first_sign(text, EXCEPTIONS) is None


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        ("Killed", V.OUT_OF_MEMORY),
        ("./train.sh: line 3:  1234 Killed                  python train.py", V.OUT_OF_MEMORY),
        ("./train.sh : ligne 3", None),
        ("[ 123.4] Out of memory: Killed process 77 (python) total-vm:9kB", V.OUT_OF_MEMORY),
        ("terminate called after throwing an instance of 'std::bad_alloc'", V.OUT_OF_MEMORY),
        ("cp: error writing '/x': Aucun espace disponible sur le périphérique", V.DISK_FULL),
        ("tar: x: Cannot write: No space left on device", V.DISK_FULL),
        ("The disk is full: there is no room to unpack the code ([Errno 28] x)", V.DISK_FULL),
        ("train.sh: line 2: sumo: command not found", V.DEPENDENCY_MISSING),
        ("train.sh: ligne 2: sumo : commande introuvable", V.DEPENDENCY_MISSING),
        (
            "./sim: error while loading shared libraries: libproj.so.25: cannot open shared object file",
            V.DEPENDENCY_MISSING,
        ),
        ("Tue 12:00", None),
        ("the hero was Killed", None),
        ("Killed 5 enemies", None),
        ("we are out of memory slots", None),
        ("progress: 50 % of the disk is full", None),
    ],
)
def test_messages_of_other_programs(line: str, verdict: V | None) -> None:
    found = first_sign(line, BARE)
    assert (found[0].verdict if found else None) is verdict


def test_each_refusal_of_our_own_kernel_is_recognised(tmp_path: Path) -> None:
    """The texts themselves are raised here, so that a reworded one cannot pass unnoticed."""

    def verdict_of(act: object) -> V | None:
        with pytest.raises(SessionRefused) as refused:
            act()  # type: ignore[operator]  # each one is a function
        found = first_sign(refused.value.account, REFUSALS)
        return found[0].verdict if found else None

    workspace = Workspace(input=tmp_path / "input", working=tmp_path, scratch=tmp_path / "scratch")
    machine = Machine(run=lambda command, limit_s: Ran(exit_code=1, err="x"), versions=dict)
    absent = Machine(run=lambda command, limit_s: Ran(exit_code=0, out='{"gpu": null, "why": "no GPU"}'), versions=dict)
    needs = Requirement(name="sumo-rl", version="1.4")
    image = Requirement(name="torch", version="2.6")
    assert verdict_of(lambda: probe_device("cuda", machine)) is V.GPU_UNUSABLE
    assert verdict_of(lambda: probe_device("cuda", absent)) is V.GPU_UNUSABLE
    assert verdict_of(lambda: supply((needs,), workspace, machine)) is V.DEPENDENCY_MISSING
    assert verdict_of(lambda: supply((image,), workspace, machine)) is V.DEPENDENCY_MISSING
    assert verdict_of(lambda: supply((needs,), workspace, absent)) is V.DEPENDENCY_MISSING


def test_the_final_message_comes_first_and_exceptions_that_were_handled_are_left_out() -> None:
    handled = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    x\nImportError: no y\n'
    text = (
        f"{handled}\nDuring handling of the above exception, another exception occurred:\n\n"
        'Traceback (most recent call last):\n  File "a.py", line 3, in g\n    z\n    ^\nKeyError: 1\nA note\n'
    )
    assert list(failures(text)) == ["KeyError: 1 A note"]
    assert list(failures("train.py ended with exit code 3\n")) == ["train.py ended with exit code 3"]
    assert list(failures("")) == []


def test_a_quote_is_one_short_line_without_terminal_sequences_or_secrets() -> None:
    hostile = "\x1b]0;title\x07\x1b[31mred\x1b[0m \x9b2J\x1b(Btoken=ab\x1b[0mcd\r\nnext\u202e" + "x" * 500
    text = shown(hostile, lambda plain: plain.replace("abcd", "[secret]"))
    assert text.startswith("red token=[secret] next x") and text.isprintable() and len(text) == 240


def test_a_secret_is_masked_before_the_line_is_cut() -> None:
    text = shown("a" * 230 + " s3cret-token", lambda plain: plain.replace("s3cret-token", "[hidden]"))
    assert "s3c" not in text


@pytest.mark.parametrize("word", ["step: ", "exceeded ", "quota ", "a.", "ValueError: ", "no checkpoint in ", "sh: "])
def test_a_line_of_any_length_is_examined_quickly(word: str) -> None:
    began_s = time.process_time()
    for signs in (EXCEPTIONS, BARE, STATES, REFUSALS):
        first_sign(word * 4_000, signs)
    assert time.process_time() - began_s < 5
