"""The animation: two crossings with the recorded lamps and densities; equal input gives equal bytes."""

from pathlib import Path

import numpy as np
from made_scene import STAMP, run_of, scene, spoilt_scene
from PIL import Image

from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_6_rl_performance.figures import crossing_gif
from validation_ch7.section_7_6_rl_performance.figures.crossing_gif import FRAME_MS, N_FRAMES, write_crossing
from validation_ch7.section_7_6_rl_performance.figures.crossing_map import (
    INK,
    LAND,
    N_SHADES,
    SIDE_PX,
    Pixels,
    crossing_pixels,
    palette,
    shades_of,
)
from validation_ch7.section_7_6_rl_performance.figures.scenario_choice import Scene

SUPPORTED = Verdict.SUPPORTED


def frames(shown_scene: Scene, verdict: Verdict = SUPPORTED) -> list[Pixels]:
    return crossing_gif.crossing_frames(shown_scene, verdict=verdict, stamp=STAMP)


def test_the_file_has_its_frames_its_stamp_and_a_bounded_size(tmp_path: Path) -> None:
    for name in ("one.gif", "other.gif"):
        write_crossing(scene(), tmp_path / name, verdict=SUPPORTED, stamp=STAMP)
    content = (tmp_path / "one.gif").read_bytes()
    assert content == (tmp_path / "other.gif").read_bytes()
    assert len(content) < 2_000_000
    with Image.open(tmp_path / "one.gif") as animation:
        # Pillow sets it for animations.
        assert animation.n_frames == N_FRAMES and 9_000 <= N_FRAMES * FRAME_MS <= 11_000  # type: ignore[attr-defined]
        assert animation.info["comment"] == STAMP.encode() and animation.info["loop"] == 0
        assert animation.size[0] == 2 * SIDE_PX


def test_each_half_shows_its_own_run() -> None:
    for pixels in (frames(scene())[0], frames(scene())[-1]):
        assert not np.array_equal(pixels[:, :SIDE_PX], pixels[:, SIDE_PX:])
    shown_scene, head = scene(), crossing_gif.HEAD_PX
    left, right = (crossing_pixels(run, 240) for run in (shown_scene.policy, shown_scene.other))
    last = frames(shown_scene)[-1][head : head + SIDE_PX]
    assert np.array_equal(last[:, : SIDE_PX - 1], left[:, :-1]) and np.array_equal(last[:, SIDE_PX + 1 :], right[:, 1:])
    alike = Scene(policy=run_of("rl", jam_veh_m=0.03), other=run_of("rl", jam_veh_m=0.03))
    road = frames(alike)[0][100:500]
    assert np.array_equal(road[:, 10 : SIDE_PX - 10], road[:, SIDE_PX + 10 : -10])


def test_traffic_keeps_right_and_stop_lines_have_the_colour_of_the_lamp() -> None:
    run = run_of("rl", jam_veh_m=0.15)
    first, last = crossing_pixels(run, 1), crossing_pixels(run, 240)
    jam = N_SHADES - 1
    centre = SIDE_PX // 2
    assert first[centre - 40, centre - 10] == jam and first[centre - 40, centre + 10] == 0  # from the north: west lane
    assert first[centre - 10, centre + 40] == jam and first[centre + 10, centre + 40] == 0  # from the east: north lane
    assert first[centre + 40, centre + 10] == jam and first[centre + 10, centre - 40] == jam  # south, west
    red, _, green = range(first.max() - 2, first.max() + 1)
    north, west = (centre - 20, centre - 10), (centre + 10, centre - 20)
    assert (first[north], first[west]) == (green, red)
    assert (last[north], last[west]) == (red, green)


def test_vehicles_waiting_outside_are_shown() -> None:
    run = run_of("rl", jam_veh_m=0.15)
    empty = crossing_pixels(run, 10)
    run.queue_veh[10, 0] = 7.0
    crowded = crossing_pixels(run, 10)
    rows, columns = np.nonzero(empty != crowded)
    assert rows.size and rows.max() < 25 and abs(columns.mean() - SIDE_PX / 2) < 30


def test_an_invalid_comparison_with_nan_densities_is_drawn_and_marked() -> None:
    marked, plain = frames(spoilt_scene(), Verdict.INVALID)[0], frames(spoilt_scene())[0]
    assert (marked != plain).any()


def test_shades_stay_inside_the_palette() -> None:
    shades = shades_of(np.array([-1.0, 0.0, 0.15, 9.0, np.nan, np.inf]), 0.15)
    assert [*shades] == [0, 0, N_SHADES - 1, N_SHADES - 1, 0, N_SHADES - 1]
    colours = palette()
    assert len(colours) % 3 == 0 and len(colours) <= 768 and 0 <= min(colours) <= max(colours) <= 255
    assert sum(colours[3 * LAND : 3 * LAND + 3]) > 600 > 200 > sum(colours[3 * INK : 3 * INK + 3])
