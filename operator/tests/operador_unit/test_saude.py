from aiohttp.test_utils import TestClient, TestServer

from operador.pulso import Pulsos
from operador.saude import aplicacao

from .fabrica import Relogio


async def responder(pulsos, falta):
    async def faltando():
        return falta

    async with TestClient(TestServer(aplicacao(pulsos, faltando))) as cliente:
        caminhos = ("/health/live", "/health/ready", "/metrics")
        respostas = [await cliente.get(caminho) for caminho in caminhos]
        return [r.status for r in respostas], [await r.text() for r in respostas]


async def test_a_loop_that_hangs_fails_liveness():
    relogio = Relogio()
    pulsos = Pulsos(relogio)
    bater = pulsos.registrar("sweep", 60)
    relogio.agora += 59
    assert (await responder(pulsos, []))[0] == [200, 200, 200]
    relogio.agora += 2
    estados, textos = await responder(pulsos, [])
    assert estados[0] == 503
    assert '"sweep": 61.0' in textos[0]
    bater()
    assert (await responder(pulsos, []))[0][0] == 200


async def test_readiness_says_what_is_missing():
    estados, textos = await responder(Pulsos(Relogio()), ["the database does not answer"])
    assert estados[:2] == [200, 503]
    assert "the database does not answer" in textos[1]


async def test_metrics_are_those_of_the_operator():
    assert "operador_ultima_varredura_timestamp_seconds" in (await responder(Pulsos(Relogio()), []))[1][2]
