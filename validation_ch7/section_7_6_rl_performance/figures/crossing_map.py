"""The crossing seen from above as an array of palette indices: road cells by density, lamps, text."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont

from validation_ch7.figures import style as paper
from validation_ch7.section_7_6_rl_performance.figures import space_time
from validation_ch7.section_7_6_rl_performance.figures.recording import Trace
from validation_ch7.traffic.model.arz import Floats
from validation_ch7.traffic.numba_kernel.constants import N_APPROACHES

Pixels = npt.NDArray[np.uint8]

SIDE_PX = 440
N_SHADES = 64
# First indices in the palette: shades of density, a ramp from land to ink for smooth text, plain colours.
_RAMP, _N_RAMP = N_SHADES, 16
LAND, INK = _RAMP, _RAMP + _N_RAMP - 1
_BOX, _KERB, _LAMPS = _RAMP + _N_RAMP, _RAMP + _N_RAMP + 1, _RAMP + _N_RAMP + 2

_LAND_COLOUR = "#F4F2EC"
_ARM_PX, _LANE_PX, _MIDDLE_PX = 176, 20, 4
_STOP_LINE_PX = 5
_CENTRE = SIDE_PX // 2
_HALF_BOX = _LANE_PX + _MIDDLE_PX // 2
_LAMP_RADIUS_PX = 8


def palette() -> list[int]:
    """Red, green and blue (0 to 255) of all colours, concatenated."""
    shades = [colormaps[space_time.COLOURS](place / (N_SHADES - 1))[:3] for place in range(N_SHADES)]
    land, ink = np.array(to_rgb(_LAND_COLOUR)), np.array(to_rgb(paper.INK))
    ramp = [land + (ink - land) * place / (_N_RAMP - 1) for place in range(_N_RAMP)]
    plain = ["#DCDCDC", "#8C8C8C", *(colour for _, colour in sorted(space_time.LAMP_COLOURS.items()))]
    colours = [*shades, *ramp, *(to_rgb(colour) for colour in plain)]
    return [round(255.0 * float(part)) for colour in colours for part in colour]


def shades_of(density_veh_m: Floats, rho_jam_veh_m: float) -> Pixels:
    """Palette indices of densities, any shape, on the colour scale of the space-time figure."""
    share = np.clip(np.nan_to_num(density_veh_m / rho_jam_veh_m), 0.0, 1.0) ** space_time.GAMMA
    return np.rint(share * (N_SHADES - 1)).astype(np.uint8)


def crossing_pixels(run: Trace, state: int) -> Pixels:
    """The crossing after `state` steps, shape (440, 440).

    North is up. Traffic keeps to the right: vehicles from the north use the western lane.
    """
    pixels = np.full((SIDE_PX, SIDE_PX), LAND, dtype=np.uint8)
    pixels[_box(-_HALF_BOX, _HALF_BOX), _box(-_HALF_BOX, _HALF_BOX)] = _BOX
    shades = shades_of(run.density_veh_m[state], run.settings.traffic.rho_jam_veh_m)
    cell_of_pixel = np.arange(_ARM_PX) * shades.shape[1] // _ARM_PX
    for approach in range(N_APPROACHES):
        before, behind = shades[approach, cell_of_pixel], shades[N_APPROACHES + approach, cell_of_pixel]
        _lay_lane(_seen_from(pixels, approach), before, behind)
        lamp = _LAMPS + int(run.lamps[max(0, state - 1), approach // 2])
        _light(_seen_from(pixels, approach), lamp)
    for approach in range(N_APPROACHES):
        waiting_veh = float(run.queue_veh[state, approach])
        if waiting_veh >= 0.5:
            row, column = _ENTRANCES[approach]
            write(pixels, f"+{waiting_veh:.0f}", row=row, column=column, size_px=13, bold=True)
    write(pixels, "N", row=2, column=_CENTRE + _HALF_BOX // 2, size_px=13)
    return pixels


def write(
    pixels: Pixels, text: str, *, row: int, column: int, size_px: int, bold: bool = False, align: float = 0.5
) -> None:
    """Write text onto land; its top is at `row`, and the share `align` of its width is left of `column`."""
    mask = _letters(text, size_px, bold)
    left = max(0, column - round(align * mask.shape[1]))
    place = pixels[row : row + mask.shape[0], left : left + mask.shape[1]]
    np.maximum(place, mask[: place.shape[0], : place.shape[1]], out=place)


def _seen_from(pixels: Pixels, approach: int) -> Pixels:
    """A rotated view of the pixels in which the approach comes from above; writing to it changes the map."""
    quarter_turns = (0, 2, 1, 3)[approach]
    return np.rot90(pixels, quarter_turns)


def _lay_lane(turned: Pixels, before: Pixels, behind: Pixels) -> None:
    """Draw the lane from the upper edge through the crossing to the lower edge, left of the middle."""
    lane = _box(-_HALF_BOX, -_MIDDLE_PX // 2)
    upper, lower = _box(-_HALF_BOX - _ARM_PX, -_HALF_BOX), _box(_HALF_BOX, _HALF_BOX + _ARM_PX)
    for rows, shades in ((upper, before), (lower, behind)):
        turned[rows, lane] = shades[:, None]
        turned[rows, lane.start - 1] = _KERB
        turned[rows, lane.stop : lane.stop + _MIDDLE_PX // 2] = _KERB


def _light(turned: Pixels, lamp: int) -> None:
    """Draw a lamp on the driver's right, and the stop line in its colour."""
    turned[_CENTRE - _HALF_BOX : _CENTRE - _HALF_BOX + _STOP_LINE_PX, _box(-_HALF_BOX, -_MIDDLE_PX // 2)] = lamp
    row, column = _CENTRE - _HALF_BOX - 24, _CENTRE - _HALF_BOX - 14
    around = np.arange(-_LAMP_RADIUS_PX - 2, _LAMP_RADIUS_PX + 3)
    distance = np.hypot(around[:, None], around[None, :])
    place = turned[row + around[0] : row + around[-1] + 1, column + around[0] : column + around[-1] + 1]
    place[distance <= _LAMP_RADIUS_PX + 1.5] = INK
    place[distance <= _LAMP_RADIUS_PX] = lamp


def _box(start: int, stop: int) -> slice:
    return slice(_CENTRE + start, _CENTRE + stop)


# Row and column of the text at the entry of each approach.
_ENTRANCES = (
    (2, _CENTRE - _HALF_BOX // 2),
    (SIDE_PX - 18, _CENTRE + _HALF_BOX // 2),
    (_CENTRE - _HALF_BOX, SIDE_PX - 12),
    (_CENTRE + 2, 12),
)


@lru_cache(maxsize=512)
def _letters(text: str, size_px: int, bold: bool) -> Pixels:
    """Text as palette indices of the ramp, drawn with the font that is part of matplotlib."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    font = ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size_px)
    width, height = round(font.getlength(text)) + 2, round(size_px * 1.35)
    mask = Image.new("L", (width, height), 0)
    ImageDraw.Draw(mask).text((1, 0), text, fill=255, font=font)
    ink = np.asarray(mask, dtype=np.uint16) * (_N_RAMP - 1) // 255
    return (ink + LAND).astype(np.uint8)
