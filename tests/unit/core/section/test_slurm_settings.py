"""The `slurm` block: limits in every form that Slurm takes, and no value that could add a line to a batch script."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import BadInput
from orchestrator.core.section.slurm import SlurmSettings, wall_seconds
from orchestrator.stores.section.card_yaml import parse_card
from tests.conftest import PROJECT_ROOT

CARD = "section: mine\nscript: train.py\n"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30", 1800),
        ("1:01", 120),  # rounded up to whole minutes
        ("4:00:00", 14_400),
        ("1-12", 129_600),
        ("1-12:30", 131_400),
        ("2-0:0:1", 172_860),
        *((bad, None) for bad in ("0", "0:00", "", "-1", "1h", "1:2:3:4", "UNLIMITED", "1 ", "９", "1\n", "9" * 21)),
    ],
)
def test_times(text: str, seconds: float | None) -> None:
    assert wall_seconds(text) == seconds


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [("", 0), ("gpu", 1), ("gpu:2", 2), ("gpu:a100:4", 4), ("gpu:a100", 1), ("shard:4", 0), ("nvme:1,gpu:3", 3)],
)
def test_gpus(gres: str, gpus: int) -> None:
    assert SlurmSettings(gres=gres, cpus=8).gpus == gpus
    assert SlurmSettings(gres=gres, cpus=8).places("auto") == (gpus or 8)
    assert SlurmSettings(gres=gres, cpus=8).places("cpu") == 8


@pytest.mark.parametrize("time", ["1", "10", "4:00:00", "7-0"])
def test_a_session_saves_before_slurm_asks_it_to(time: str) -> None:
    settings = SlurmSettings(time=time)
    assert 0.8 * settings.wall_s <= settings.longest_session_s == settings.wall_s - settings.warn_s
    assert 10 <= settings.warn_s <= 120


INJECTED = "x\n#SBATCH --uid=root"


_KEYS = ["partition", "account", "qos", "gres", "mem", "time", "container", "python", "folder", "ssh"]


@pytest.mark.parametrize("host", ["cluster", "me@login.cluster.example", "me.too@10.0.0.1", "me@fe80::1", "_x-y.z"])
def test_login_nodes(host: str) -> None:
    assert SlurmSettings(ssh=host).ssh == host


@pytest.mark.parametrize(
    "host", ["-oProxyCommand=id", "me@-x", "@x", "me@", "a b", "me@x;id", "$HOST", "ssh://x", "me@x/y"]
)
def test_no_login_node_is_an_option_or_a_command(host: str) -> None:
    with pytest.raises(ValueError, match=r"ssh must be a word as OpenSSH writes it, e\.g\. user@login"):
        SlurmSettings(ssh=host)


@pytest.mark.parametrize("key", _KEYS)
def test_no_value_adds_a_line(key: str) -> None:
    for value in (INJECTED, "x\r#SBATCH --wait", "x\x00"):
        with pytest.raises(ValueError, match=key):
            SlurmSettings(**{key: value})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"modules": ("cuda; rm -rf /",)}, "modules must hold names of modules"),
        ({"modules": ("-q",)}, "modules must hold names of modules"),
        ({"partition": "a b"}, "partition must be a word"),
        ({"partition": "--wrap=x"}, "partition must be a word"),
        ({"container": "apptainer exec $HOME/x.sif"}, "write paths in full"),
        ({"container": "apptainer exec `x`"}, "write paths in full"),
        ({"container": 'apptainer exec "x'}, "open quotes"),
        ({"mem": "8 GB"}, "e.g. 8G"),
        ({"cpus": 0}, "cpus must lie"),
    ],
)
def test_what_is_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SlurmSettings(**values)


def test_all_faults_of_a_card_are_reported_with_their_keys() -> None:
    text = CARD + "slurm:\n  partition: 'a b'\n  time: 30\n  nodes: 2\n"
    with pytest.raises(BadInput) as caught:
        parse_card(text, "mine.yaml")
    assert "slurm.nodes" in str(caught.value) and "slurm.time" in str(caught.value)


def test_a_card_reads_the_block() -> None:
    text = CARD + "slurm:\n  gres: gpu:a100:2\n  time: '1-0'\n  modules: [python/3.11, cuda]\n"
    settings = parse_card(text, "mine.yaml").slurm
    assert settings.options == {"gres": "gpu:a100:2", "cpus-per-task": "1", "time": "1440"}
    assert settings.modules == ("python/3.11", "cuda")


def test_the_schema_of_editors_has_the_same_forms() -> None:
    import json

    schema = json.loads(Path(PROJECT_ROOT / "configs/sections/schema.json").read_text(encoding="utf-8"))
    block = schema["$defs"]["SlurmSettings"]["properties"]
    for key in ("partition", "gres", "mem", "container", "folder"):
        assert not re.search(block[key]["pattern"], INJECTED), key
    assert re.search(block["partition"]["pattern"], "gpu,gpu-long")
