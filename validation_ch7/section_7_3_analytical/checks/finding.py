"""One measured number with the limits that the card sets for it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A number and its limits, all in the same unit.

    Attributes:
        check: The check that measured it: `riemann`, `convergence`, ...
        case: What was simulated.
        quantity: What was measured.
        value: The number; one that is not finite makes the section invalid.
        low: Least allowed value, None for no limit.
        high: Largest allowed value, None for no limit.
        unit: Its unit, empty for a ratio.
        exact: The exact value where `value` is a simulated one, otherwise None.
    """

    check: str
    case: str
    quantity: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    exact: float | None = None

    @property
    def is_finite(self) -> bool:
        """Whether it is a number at all."""
        return math.isfinite(self.value)

    @property
    def passes(self) -> bool:
        """Whether it is within its limits; never true for a number that is not finite."""
        above = self.low is None or self.value >= self.low
        return self.is_finite and above and (self.high is None or self.value <= self.high)

    @property
    def limits(self) -> str:
        """The limits in words."""
        if self.low is not None and self.high is not None:
            return f"within {self.low:g} to {self.high:g}"
        return f"at least {self.low:g}" if self.low is not None else f"at most {self.high:g}"

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.check}, {self.case}: {self.quantity} {self.value:.3g}{unit} ({self.limits})"
