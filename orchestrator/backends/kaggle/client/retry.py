"""Repeats failed queries: tenacity with our exceptions, an injected clock and full jitter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from orchestrator.backends.kaggle.client.errors import ServiceFault
from orchestrator.ports import Clock

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long a query is repeated before its failure is reported.

    Attributes:
        first_s: Upper bound of the first pause; it doubles with each attempt.
        longest_s: Upper bound of every pause.
        give_up_s: Seconds after the first attempt from which on no further one starts.
    """

    attempts: int = 5
    first_s: float = 1.0
    longest_s: float = 30.0
    give_up_s: float = 120.0


class Retry:
    """Repeats queries. Never use it for a request that changes something on the service, such as a push.

    Args:
        clock: Its `sleep` is the only wait.
        uniform: Returns a uniform random number between two bounds.
    """

    def __init__(
        self, clock: Clock, uniform: Callable[[float, float], float], patience: Patience | None = None
    ) -> None:
        self._clock = clock
        self._uniform = uniform
        self._patience = patience or Patience()

    @property
    def now_s(self) -> float:
        """Seconds on the clock that it was given."""
        return self._clock.monotonic()

    def __call__(self, ask: Callable[[], Answer]) -> Answer:
        """Repeat until the query succeeds.

        Raises:
            ServiceFault: The last failure, when the limits are reached or repeating cannot help.
        """
        started_s = self._clock.monotonic()
        loop = tenacity.Retrying(
            sleep=self._clock.sleep,
            retry=tenacity.retry_if_exception(lambda fault: isinstance(fault, ServiceFault) and fault.transient),
            wait=self._pause_s,
            stop=lambda state: self._ends(state, started_s),
            reraise=True,
        )
        return loop(ask)

    def _pause_s(self, state: tenacity.RetryCallState) -> float:
        """Full jitter, but never less than the `Retry-After` of the service.

        Source: M. Brooker, Exponential backoff and jitter, AWS Architecture Blog, 2015.
        """
        ceiling_s = min(self._patience.longest_s, self._patience.first_s * 2.0 ** (state.attempt_number - 1))
        return max(self._uniform(0.0, ceiling_s), _asked_for_s(state))

    def _ends(self, state: tenacity.RetryCallState, started_s: float) -> bool:
        spent_s = self._clock.monotonic() - started_s
        # A longer Retry-After is not slept through here, without a message; the caller reports it and waits.
        return (
            state.attempt_number >= self._patience.attempts or spent_s + _asked_for_s(state) >= self._patience.give_up_s
        )


def _asked_for_s(state: tenacity.RetryCallState) -> float:
    fault = state.outcome.exception() if state.outcome else None
    return (fault.wait_s or 0.0) if isinstance(fault, ServiceFault) else 0.0
