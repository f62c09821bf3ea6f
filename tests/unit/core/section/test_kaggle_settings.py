"""Machines that Kaggle no longer has, or that a push cannot use, are refused with the present name."""

from __future__ import annotations

import pytest

from orchestrator.core.section.kaggle import KaggleSettings
from orchestrator.core.section.session_kind import SessionKind


@pytest.mark.parametrize("name", ["NvidiaTeslaP100", "nvidiateslap100", " NVIDIATESLAP100 "])
def test_a_retired_gpu_is_refused_with_the_present_one(name: str) -> None:
    with pytest.raises(ValueError, match=r"is retired: Kaggle runs NvidiaTeslaT4 instead; write NvidiaTeslaT4"):
        KaggleSettings(accelerator=name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("TpuV38", "TpuV38 is retired: Kaggle runs TpuV5E8 instead, and a push cannot start a TPU session"),
        ("Tpu1VmV38", "is retired: Kaggle runs TpuV5E8 instead"),
        ("TpuV232", "is retired: Kaggle runs a CPU instead"),
        ("TpuV5E8", "is a TPU, and a push cannot start a TPU session; write NvidiaTeslaT4, or gpu: false"),
    ],
)
def test_tpus_are_refused(name: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        KaggleSettings(accelerator=name)


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(ValueError, match="must name a machine"):
        KaggleSettings(accelerator="  ")


@pytest.mark.parametrize("name", ["NvidiaTeslaT4", "NvidiaL4", "NvidiaH100"])
def test_other_names_are_passed_on(name: str) -> None:
    assert KaggleSettings(accelerator=name).accelerator == name


def test_the_default_is_the_machine_with_two_t4() -> None:
    assert KaggleSettings().accelerator == "NvidiaTeslaT4"


def test_a_session_of_another_kind_keeps_all_other_settings() -> None:
    settings = KaggleSettings(accelerator="NvidiaL4", internet=False)
    on_cpu = settings.of_kind(SessionKind.CPU)
    assert on_cpu == KaggleSettings(accelerator="NvidiaL4", internet=False, gpu=False)
    assert (settings.session_device, on_cpu.session_device) == ("auto", "cpu")
    assert on_cpu.of_kind(SessionKind.GPU) == settings and settings.of_kind(SessionKind.GPU) is settings
    with pytest.raises(ValueError, match="device cuda needs gpu: true"):
        KaggleSettings(device="cuda").of_kind(SessionKind.CPU)
