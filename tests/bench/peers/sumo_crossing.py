"""The crossing for SUMO: plain XML made into a network by netconvert, demand, and the commands to run it."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ARMS = {"N": (0, 1), "S": (0, -1), "E": (1, 0), "W": (-1, 0)}
THROUGH = (("N", "S"), ("S", "N"), ("E", "W"), ("W", "E"))
GREEN = ("GGrr", "rrGG")
CHANGE = ("yyrr", "rryy")
"""By phase: north-south, east-west; one letter per movement in the order of `THROUGH`."""


def build(folder: Path, task: dict[str, float]) -> tuple[str, str]:
    """Write the crossing with alternating greens, and its demand.

    Returns:
        Paths of the network and of the demand.
    """
    netconvert = Path(sys.prefix) / "bin/netconvert"
    lengths = {"link_m": task["link_m"], "speed_m_s": task["speed_m_s"]}
    network = build_network(folder, programme=_programme(task), netconvert=netconvert, **lengths)
    return network, write_xml(folder / "x1.rou.xml", "routes", _demand(task))


def build_network(folder: Path, *, link_m: float, speed_m_s: float, programme: str, netconvert: Path) -> str:
    """Write the crossing as plain XML and convert it.

    Args:
        folder: Folder of the files; made if it is missing.
        link_m: Length of each approach and of each exit in m.
        speed_m_s: Speed limit in m/s.
        programme: The element `tlLogic` of the signal `C`.
        netconvert: SUMO's program for this.

    Returns:
        Path of the network.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = [f"--{kind}-files={path}" for kind, path in _plain_files(folder, link_m, speed_m_s, programme).items()]
    network = folder / "x1.net.xml"
    subprocess.run([netconvert, *words, f"--output-file={network}"], check=True, capture_output=True)
    return str(network)


def _plain_files(folder: Path, link_m: float, speed_m_s: float, programme: str) -> dict[str, str]:
    nodes = ['<node id="C" x="0" y="0" type="traffic_light" tl="C"/>'] + [
        f'<node id="{arm}" x="{x * link_m}" y="{y * link_m}" type="priority"/>' for arm, (x, y) in ARMS.items()
    ]
    lane = f'numLanes="1" speed="{speed_m_s}" length="{link_m}"'
    edges = [f'<edge id="{arm}_in" from="{arm}" to="C" {lane}/>' for arm in ARMS]
    edges += [f'<edge id="{arm}_out" from="C" to="{arm}" {lane}/>' for arm in ARMS]
    movements = [f'from="{a}_in" to="{b}_out" fromLane="0" toLane="0"' for a, b in THROUGH]
    links = [f'<connection {movement} tl="C" linkIndex="{index}"/>' for index, movement in enumerate(movements)]
    return {
        "node": write_xml(folder / "x1.nod.xml", "nodes", nodes),
        "edge": write_xml(folder / "x1.edg.xml", "edges", edges),
        "connection": write_xml(folder / "x1.con.xml", "connections", [f"<connection {one}/>" for one in movements]),
        "tllogic": write_xml(folder / "x1.tll.xml", "tlLogics", [programme, *links]),
    }


def _programme(task: dict[str, float]) -> str:
    """Alternating greens as in the bench, as the static programme that SUMO runs without control."""
    green_s = task["switch_every"] * task["decision_s"] - task["change_s"]
    phases = [
        f'<phase duration="{duration_s}" state="{states[phase]}"/>'
        for phase in (0, 1)
        for duration_s, states in ((green_s, GREEN), (task["change_s"], CHANGE))
    ]
    return f'<tlLogic id="C" type="static" programID="0" offset="0">{"".join(phases)}</tlLogic>'


def _demand(task: dict[str, float]) -> list[str]:
    """Poisson arrivals, through traffic only."""
    rate_veh_h = {"N": task["ns_veh_h"], "S": task["ns_veh_h"], "E": task["ew_veh_h"], "W": task["ew_veh_h"]}
    return [
        f'<flow id="{a}" from="{a}_in" to="{b}_out" begin="0" end="{task["hour_s"]}" departSpeed="max"'
        f' period="exp({rate_veh_h[a] / 3600.0})"/>'
        for a, b in THROUGH
    ]


def statistics_words(path: Path) -> list[str]:
    """Arguments to add to SUMO's command so that `statistics` can read its file."""
    return ["--statistic-output", str(path), "--duration-log.statistics"]


def statistics(path: Path) -> dict[str, float]:
    """Number of trips and their mean delay in s, including the wait to enter.

    Source: https://sumo.dlr.de/docs/Simulation/Output/StatisticOutput.html
    """
    trips = ElementTree.parse(path).getroot().find("vehicleTripStatistics")
    if trips is None:
        raise RuntimeError(f"{path.name} holds no trip statistics")
    return {
        "vehicles": float(trips.attrib["count"]),
        "delay_s": float(trips.attrib["timeLoss"]) + float(trips.attrib["departDelay"]),
    }


def write_xml(path: Path, root: str, lines: list[str]) -> str:
    """Write an XML file with these elements, and return its path."""
    path.write_text(f"<{root}>\n" + "\n".join(lines) + f"\n</{root}>\n", encoding="utf-8")
    return str(path)
