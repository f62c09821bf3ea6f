"""Every figure that a test writes has its legends beside the data, inside the picture."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@pytest.fixture(autouse=True)
def _legends_cover_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    if "matplotlib.figure" not in sys.modules:
        return
    from matplotlib.figure import Figure

    from tests.doubles.legends import legends_over_data

    save = Figure.savefig

    def checked(figure: Figure, *words: Any, **named: Any) -> None:
        save(figure, *words, **named)  # the layout is made when it is drawn
        assert (covering := legends_over_data(figure)) == [], f"{words[0]}: legends cover data: {covering}"

    monkeypatch.setattr(Figure, "savefig", checked)
