import asyncio

import pytest

from operador.app import TarefaAcabouError, _ate


async def para_sempre():
    await asyncio.Event().wait()


async def acabar():
    await asyncio.sleep(0)


async def falhar():
    raise ValueError("broken")


async def test_a_loop_that_ends_ends_the_program():
    with pytest.raises(ExceptionGroup) as fim:
        await _ate(asyncio.Event(), {"um": para_sempre(), "dois": acabar()})
    assert fim.group_contains(TarefaAcabouError, match="dois has ended by itself")


async def test_a_loop_that_fails_ends_the_program():
    with pytest.raises(ExceptionGroup) as fim:
        await _ate(asyncio.Event(), {"um": para_sempre(), "dois": falhar()})
    assert fim.group_contains(ValueError, match="broken")


async def test_a_loop_that_a_library_cancels_ends_the_program():
    async def cancelada():
        await asyncio.sleep(0)
        raise asyncio.CancelledError

    with pytest.raises(ExceptionGroup) as fim:
        async with asyncio.timeout(5):
            await _ate(asyncio.Event(), {"um": para_sempre(), "dois": cancelada()})
    assert fim.group_contains(TarefaAcabouError, match="dois was cancelled by nobody here")


async def test_it_ends_in_peace_when_it_is_asked_to():
    parar = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, parar.set)
    await _ate(parar, {"um": para_sempre()})
