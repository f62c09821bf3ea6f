"""The crossing for SUMO: its plain files, without netconvert."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tests.bench.peers.sumo_crossing import build_network
from tests.sumo.hour import actuated_programme
from validation_ch7.traffic.env.settings import EnvironmentSettings

SETTINGS = EnvironmentSettings()
RECORDS = """\
#!{python}
import sys
open("{log}", "w").write("\\n".join(sys.argv[1:]))
"""


@pytest.fixture
def files(tmp_path: Path) -> dict[str, ElementTree.Element]:
    """The files that netconvert receives, by kind."""
    netconvert, log = tmp_path / "netconvert", tmp_path / "words"
    netconvert.write_text(RECORDS.format(python=sys.executable, log=log), encoding="utf-8")
    netconvert.chmod(0o700)
    programme = actuated_programme(SETTINGS)
    network = build_network(tmp_path / "net", link_m=300.0, speed_m_s=13.89, programme=programme, netconvert=netconvert)
    words = dict(word.removeprefix("--").split("=", 1) for word in log.read_text(encoding="utf-8").splitlines())
    assert words.pop("output-file") == network
    return {name.removesuffix("-files"): ElementTree.parse(path).getroot() for name, path in words.items()}


@pytest.mark.skipif(sys.platform == "win32", reason="needs a script as a program")
def test_geometry_and_lanes_are_those_of_the_model(files: dict[str, ElementTree.Element]) -> None:
    edges = {edge.attrib["id"]: edge.attrib for edge in files["edge"]}
    assert set(edges) == {f"{arm}_{way}" for arm in "NSEW" for way in ("in", "out")}
    assert all(
        (edge["numLanes"], float(edge["speed"]), float(edge["length"])) == ("1", 13.89, 300.0)
        for edge in edges.values()
    )
    movements = [(one.attrib["from"], one.attrib["to"]) for one in files["connection"]]
    assert movements == [("N_in", "S_out"), ("S_in", "N_out"), ("E_in", "W_out"), ("W_in", "E_out")]
    links = [one.attrib for one in files["tllogic"] if one.tag == "connection"]
    assert [(one["from"], one["to"], one["linkIndex"]) for one in links] == [
        (start, end, str(index)) for index, (start, end) in enumerate(movements)
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a script as a program")
def test_own_programme_of_sumo_has_the_times_of_the_signal(files: dict[str, ElementTree.Element]) -> None:
    (logic,) = (one for one in files["tllogic"] if one.tag == "tlLogic")
    phases = [one.attrib for one in logic]
    assert [one["state"] for one in phases] == ["GGrr", "yyrr", "rrrr", "rrGG", "rryy", "rrrr"]
    assert [float(one["duration"]) for one in phases] == [6.0, 3.0, 1.0] * 2
    assert [(float(one["minDur"]), float(one["maxDur"])) for one in (phases[0], phases[3])] == [(6.0, 120.0)] * 2
