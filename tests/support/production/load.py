"""Two kinds of customers during a fault: some leave after ordering, some wait for the decision."""

import asyncio
import time
from collections.abc import Sequence
from typing import Self

import httpx
from customers import Answer, Customers, orders_of

from production.history import Order, contradictions, longest_silence

STEADY_SECONDS = 6.0
"""Orders count as recovered once they have been accepted and decided this long without a gap of PAUSE_SECONDS."""
PAUSE_SECONDS = 2.5
PATIENCE = 20.0


class Load:
    """Sends its requests while its context is open; every answer is kept."""

    def __init__(self, url: str, skus: Sequence[str], per_second: float = 6, wait: int = 5) -> None:
        self._leaving = Customers(url, skus, per_second=per_second, wait=0, patience=PATIENCE)
        self._waiting = Customers(url, skus, per_second=per_second, wait=wait, patience=PATIENCE)

    async def __aenter__(self) -> Self:
        await self._leaving.__aenter__()
        await self._waiting.__aenter__()
        return self

    async def __aexit__(self, *reason: object) -> None:
        await asyncio.gather(self._leaving.__aexit__(*reason), self._waiting.__aexit__(*reason))

    @property
    def answers(self) -> list[Answer]:
        """All answers, including failed ones."""
        return self._leaving.answers + self._waiting.answers

    def accepted(self) -> list[float]:
        """The instants at which an order was acknowledged to a customer who did not wait."""
        return [a.end for a in self._leaving.answers if a.request == "POST /pedidos" and not a.failed]

    def decided(self) -> list[float]:
        """The instants at which an order was decided while its customer waited."""
        return [a.end for a in self._waiting.answers if a.request == "POST /pedidos" and a.code == 201]

    def silences(self, begin: float, end: float) -> tuple[float, float]:
        """The longest gaps without an accepted and without a decided order."""
        return longest_silence(self.accepted(), begin, end), longest_silence(self.decided(), begin, end)

    async def steady(self, within: float) -> None:
        """Waits until orders have been accepted and decided without a gap for some seconds.

        Raises TimeoutError with the last observation when that takes longer than `within` seconds.
        """
        began = time.monotonic()
        while True:
            await asyncio.sleep(0.25)
            now = time.monotonic()
            accepted, decided = self.silences(now - STEADY_SECONDS, now)
            if now - began >= STEADY_SECONDS and max(accepted, decided) <= PAUSE_SECONDS:
                return
            if now - began > within:
                seen = f"{self._leaving.summary()}\n{self._waiting.summary()}"
                raise TimeoutError(f"no steady orders within {within:.0f} s: {seen}")

    def failed(self, since: float) -> tuple[int, int]:
        """The number of failed requests and of all requests answered since an instant."""
        answers = [answer for answer in self.answers if answer.end >= since]
        return sum(answer.failed for answer in answers), len(answers)

    def faults(self) -> str:
        """Summary of the failed answers."""
        return f"{self._leaving.summary()}\n{self._waiting.summary()}"

    async def contradictions(self, http: httpx.AsyncClient) -> list[str]:
        """Acknowledged answers that contradict the final state: call it at rest."""
        orders: dict[str, Order] = {}
        for customers in (self._leaving, self._waiting):
            orders |= await orders_of(http, customers.cliente)
        return contradictions(self.answers, orders)
