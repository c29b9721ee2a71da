import asyncio
import contextlib

from prometheus_client import REGISTRY

from operador import anunciante
from operador.anunciante import Anunciante
from operador.eventos import Evento
from operador.kubernetes import KubernetesForaError

from .fabrica import item

BOA = Evento("Normal", "Claimed", "")
MA = Evento("Warning", "SkuConflict", "")


class Api:
    def __init__(self, *faltas):
        self.faltas, self.anunciados = list(faltas), []

    async def anunciar(self, _, evento):
        if self.faltas:
            raise self.faltas.pop(0)
        self.anunciados.append(evento.motivo)


def perdidos():
    return REGISTRY.get_sample_value("operador_eventos_perdidos_total")


async def trabalhar(quem, segundos, *, pressa=False):
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(segundos):
            await quem.trabalhar(lambda: pressa)


async def test_warnings_come_first_and_outlast_good_news(monkeypatch):
    monkeypatch.setattr(anunciante, "_LOTACAO_DE_BOAS_NOVAS", 2)
    monkeypatch.setattr(anunciante, "_LOTACAO", 4)
    api, antes = Api(), perdidos()
    quem = Anunciante(api)
    for evento in (BOA, BOA, BOA, MA, MA, MA):
        quem.anunciar(item(), evento)
    await trabalhar(quem, 0.4)
    assert api.anunciados == ["SkuConflict", "SkuConflict", "Claimed", "Claimed"]
    assert perdidos() - antes == 2


async def test_no_more_than_some_a_second_are_posted():
    api = Api()
    quem = Anunciante(api)
    for _ in range(100):
        quem.anunciar(item(), BOA)
    await trabalhar(quem, 0.4)
    assert 2 <= len(api.anunciados) <= 11, "25 a second"


async def test_while_statuses_wait_good_news_does():
    api = Api()
    quem = Anunciante(api)
    for _ in range(20):
        quem.anunciar(item(), BOA)
    quem.anunciar(item(), MA)
    quem.anunciar(item(), MA)
    await trabalhar(quem, 0.5, pressa=True)
    assert api.anunciados == ["SkuConflict", "SkuConflict", "Claimed"], "one a second"


async def test_what_cannot_be_posted_is_counted_and_holds_up_nothing():
    api, antes = Api(KubernetesForaError("503")), perdidos()
    quem = Anunciante(api)
    quem.anunciar(item(), MA)
    quem.anunciar(item(), BOA)
    await trabalhar(quem, 0.2)
    assert (api.anunciados, perdidos() - antes) == (["Claimed"], 1)
