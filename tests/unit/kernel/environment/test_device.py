"""A GPU counts as usable only after a test computation. The real probe runs here, against a fake torch."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from orchestrator.kernel.environment.device import PROBE_LIMIT_S, Device, probe_device
from orchestrator.kernel.environment.machine import Machine
from orchestrator.kernel.environment.subprocesses import Ran, run_bounded
from orchestrator.kernel.outcome import SessionRefused
from tests.doubles.machine import FakeMachine

# The part of torch that the probe uses; each test chooses what it reports and what its first computation does.
TORCH = """
__version__ = "2.6.0"
class cuda:
    is_available = staticmethod(lambda: {available})
    synchronize = staticmethod(lambda: None)
    get_device_capability = staticmethod(lambda: (7, 5))
    get_device_name = staticmethod(lambda: "Tesla T4")
class _Tensor:
    def __matmul__(self, other): return self
    def relu(self): return self
    def sum(self): return self
    def backward(self): {backward}
    @property
    def grad(self): return {{(0, 0): self}}
    def item(self): return {gradient}
def ones(*shape, **how): {ones}
print("torch says hello")
"""
WORKING = {"available": "True", "ones": "return _Tensor()", "backward": "pass", "gradient": "128.0"}
P100 = "raise RuntimeError('CUDA error: no kernel image is available for execution on the device')"


def _machine(folder: Path, monkeypatch: pytest.MonkeyPatch, **behaviour: str) -> Machine:
    folder.mkdir(exist_ok=True)
    (folder / "torch.py").write_text(TORCH.format(**{**WORKING, **behaviour}), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return Machine()


@pytest.mark.parametrize("requested", ["cuda", "auto"])
def test_a_gpu_that_passes_the_test_computation_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requested: str
) -> None:
    device = probe_device(requested, _machine(tmp_path / "t", monkeypatch))
    assert device == Device(used="cuda", name="Tesla T4", capability="7.5")


@pytest.mark.parametrize("requested", ["cuda", "auto"])
@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"ones": P100}, "no kernel image is available"),
        ({"backward": P100}, "no kernel image is available"),
        ({"gradient": "0.0"}, "gradient of 0.0 instead of 128"),
        ({"ones": "import os; os._exit(139)"}, "ended with exit code 139"),
        ({"ones": "import a_library_of_torch"}, "No module named 'a_library_of_torch'"),
    ],
)
def test_a_gpu_that_fails_the_test_computation_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requested: str, behaviour: dict[str, str], words: str
) -> None:
    with pytest.raises(SessionRefused, match="failed a test computation") as refusal:
        probe_device(requested, _machine(tmp_path / "t", monkeypatch, **behaviour))
    assert words in str(refusal.value)
    assert "NvidiaTeslaT4" in refusal.value.remedy


def test_without_a_gpu_cuda_is_refused_and_auto_uses_the_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = _machine(tmp_path / "t", monkeypatch, available="False")
    assert probe_device("auto", machine) == Device(used="cpu", why="torch 2.6.0 sees no GPU")
    with pytest.raises(SessionRefused, match=r"asks for cuda, but torch 2\.6\.0 sees no GPU") as refusal:
        probe_device("cuda", machine)
    assert "NvidiaTeslaT4" in refusal.value.remedy


def test_without_torch_auto_uses_the_cpu_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')", encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "t"))
    assert probe_device("auto", Machine()) == Device(used="cpu", why="torch is not installed")


def test_the_probe_runs_with_the_real_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    device = probe_device("auto", Machine())
    assert (device.used, "sees no GPU" in str(device.why)) == ("cpu", True)


@pytest.mark.parametrize("requested", ["cpu", "mps", ""])
def test_nothing_is_probed_when_the_cpu_is_requested(requested: str) -> None:
    machine = FakeMachine()
    assert probe_device(requested, machine.face) == Device(used="cpu")
    assert machine.ran == []


@pytest.mark.parametrize("out", ["", "nonsense", "[1]", "{}"])
def test_an_invalid_answer_of_the_probe_is_a_refusal(out: str) -> None:
    machine = FakeMachine(probe=Ran(exit_code=0, out=out))
    with pytest.raises(SessionRefused, match="failed a test computation"):
        probe_device("auto", machine.face)
    assert machine.limits_s == [PROBE_LIMIT_S]


def test_a_program_over_its_time_limit_is_killed_and_its_output_kept() -> None:
    words = "import sys, threading; print('half', file=sys.stderr, flush=True); threading.Event().wait()"
    ran = run_bounded([sys.executable, "-S", "-c", words], 2.0)
    assert ran.exit_code is None
    assert ran.summary == "half\nit did not end within 2 s"


def test_a_missing_program_is_reported() -> None:
    ran = run_bounded(["/nowhere/python"], 1.0)
    assert ran.exit_code is None
    assert "could not be started" in ran.summary
