"""A job in steps: how long it pauses, on a clock that only pauses move."""

import asyncio
from datetime import timedelta

import pytest

from reservaestoque import periodic
from reservaestoque.periodic import Periodic


class Relogio:
    """What time.monotonic() and asyncio.sleep() are in here; ends the job after so many pauses."""

    def __init__(self, voltas: int) -> None:
        self.agora, self.pausas, self._voltas = 0.0, list[float](), voltas

    def monotonic(self) -> float:
        return self.agora

    async def sleep(self, segundos: float) -> None:
        self.pausas.append(segundos)
        self.agora += segundos
        if len(self.pausas) == self._voltas:
            raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("dura", "mais", "rest", "pausa"),
    [
        (1.0, False, 0.0, 5.0),
        (9.0, False, 0.0, 5.0),
        (1.0, True, 0.0, 0.0),
        (0.5, False, 9.0, 5.0),
        (1.0, False, 9.0, 9.0),
        (1.0, True, 9.0, 9.0),
    ],
)
async def test_it_pauses_its_interval_or_as_a_multiple_of_what_the_step_took(
    monkeypatch: pytest.MonkeyPatch, dura: float, mais: bool, rest: float, pausa: float
):
    relogio = Relogio(2)
    monkeypatch.setattr(periodic, "time", relogio)
    monkeypatch.setattr(periodic.asyncio, "sleep", relogio.sleep)

    async def passo() -> bool:
        relogio.agora += dura
        return mais

    job = Periodic(passo, name="job", every=timedelta(seconds=5), is_transient=lambda _: False, rest=rest)
    with pytest.raises(asyncio.CancelledError):
        await job.run()
    assert relogio.pausas == [pausa, pausa]


async def test_what_will_not_pass_by_itself_ends_it():
    async def passo() -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Periodic(passo, name="job", every=timedelta(), is_transient=lambda _: False).run()
