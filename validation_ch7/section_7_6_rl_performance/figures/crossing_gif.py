"""An animation of the crossing under the learned policy and under the other controller, in the same scenario."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from orchestrator.kernel.files.atomic import write_atomically
from orchestrator.kernel.outcome import Verdict
from validation_ch7.section_7_6_rl_performance.figures.crossing_map import (
    INK,
    LAND,
    SIDE_PX,
    Pixels,
    crossing_pixels,
    palette,
    shades_of,
    write,
)
from validation_ch7.section_7_6_rl_performance.figures.scenario_choice import Scene
from validation_ch7.section_7_6_rl_performance.figures.style import label_of

N_FRAMES = 120
FRAME_MS = 80
SPAN_S = 240.0

HEAD_PX, _FOOT_PX = 78, 64
_SCALE_PX = 220


def crossing_frames(scene: Scene, *, verdict: Verdict, stamp: str) -> list[Pixels]:
    """Draw the busiest minutes as palette indices, `N_FRAMES` arrays of shape (height, width).

    Args:
        scene: One scenario under both controllers.
        verdict: An invalid comparison is marked.
        stamp: Stamp of the drawing session.
    """
    span = scene.busiest_span(SPAN_S)
    states = np.rint(np.linspace(span.start, span.stop, N_FRAMES + 1)).astype(np.int64)[1:]
    page = _page(scene, verdict=verdict, stamp=stamp, span=span)
    return [_frame(page, scene, int(state)) for state in states]


def write_crossing(scene: Scene, path: Path, *, verdict: Verdict, stamp: str) -> None:
    """Write the animation atomically as a GIF; equal arguments give equal bytes.

    Raises:
        OSError: The file cannot be written.
    """
    frames = [Image.fromarray(pixels) for pixels in crossing_frames(scene, verdict=verdict, stamp=stamp)]
    colours = palette()
    for frame in frames:
        frame.putpalette(colours)

    def save(temporary: Path) -> None:
        frames[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=frames[1:],
            duration=FRAME_MS,
            loop=0,
            comment=stamp.encode("utf-8"),
        )

    write_atomically(path, save)


def _page(scene: Scene, *, verdict: Verdict, stamp: str, span: slice) -> Pixels:
    """The static parts of a frame: names, colour scale of densities, stamp."""
    page = np.full((HEAD_PX + SIDE_PX + _FOOT_PX, 2 * SIDE_PX), LAND, dtype=np.uint8)
    for place, run in enumerate((scene.policy, scene.other)):
        column = SIDE_PX // 2 + place * SIDE_PX
        write(page, label_of(run.controller), row=10, column=column, size_px=19, bold=True)
    write(page, "min:s", row=35, column=SIDE_PX, size_px=11)
    if verdict is Verdict.INVALID:
        write(page, "INVALID: do not use", row=56, column=SIDE_PX, size_px=15, bold=True)
    foot = HEAD_PX + SIDE_PX + 6
    page[foot : foot + 14, 20 : 20 + _SCALE_PX] = INK
    traffic = scene.policy.settings.traffic
    ramp = shades_of(np.linspace(0.0, traffic.rho_jam_veh_m, _SCALE_PX - 2), traffic.rho_jam_veh_m)
    page[foot + 1 : foot + 13, 21 : 19 + _SCALE_PX] = ramp[None, :]
    jam = f"0 to {traffic.rho_jam_veh_m * 1000.0:g} vehicles per km;  +n: n wait to enter"
    write(page, jam, row=foot - 1, column=_SCALE_PX + 30, size_px=13, align=0.0)
    speed = (span.stop - span.start) * traffic.dt_s * 1000.0 / (N_FRAMES * FRAME_MS)
    write(page, f"{speed:.0f} times real time", row=foot - 1, column=2 * SIDE_PX - 20, size_px=13, align=1.0)
    write(page, f"Busiest minutes of {scene.title}", row=foot + 19, column=20, size_px=13, align=0.0)
    write(page, stamp, row=foot + 41, column=2 * SIDE_PX - 8, size_px=10, align=1.0)
    return page


def _frame(page: Pixels, scene: Scene, state: int) -> Pixels:
    pixels = page.copy()
    seconds = int(state * scene.policy.settings.traffic.dt_s)
    write(pixels, f"{seconds // 60:02d}:{seconds % 60:02d}", row=8, column=SIDE_PX, size_px=24, bold=True)
    for place, run in enumerate((scene.policy, scene.other)):
        left = place * SIDE_PX
        delay = f"delay so far {run.delay_s_per_veh()[state]:.1f} s per vehicle"
        write(pixels, delay, row=38, column=left + SIDE_PX // 2, size_px=15)
        pixels[HEAD_PX : HEAD_PX + SIDE_PX, left : left + SIDE_PX] = crossing_pixels(run, state)
    pixels[HEAD_PX : HEAD_PX + SIDE_PX, SIDE_PX - 1 : SIDE_PX + 1] = LAND + 4
    return pixels
