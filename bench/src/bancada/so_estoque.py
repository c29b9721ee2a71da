"""estoque alone: messages wait in its queue, as pedidos' relay makes them; then it starts and decides them."""

import json

from bancada import observacao
from bancada.loja import Loja, parada
from bancada.plano import Medida, Medir, Plano

RECUSADOS = 50_000


def decidir(
    distribuicao: str, itens: int, *, do_quente: int | None = None, quantos: int | None = None, estoques: int = 1
) -> Medir:
    """Orders a second from the first commit to the last, outbox written and published to nobody who reads."""

    def medir(loja: Loja, plano: Plano) -> Medida:
        with loja.replicas(estoque=estoques):
            loja.esvaziar(do_quente=do_quente)
            medida = _medir(loja, quantos or plano.prontos, distribuicao, itens)
            loja.esgotar()
            return medida

    return medir


def _medir(loja: Loja, quantos: int, distribuicao: str, itens: int) -> Medida:
    with parada(loja.system, "estoque"):
        loja.deixar_prontos(quantos, loja.corpos(distribuicao, itens))
        loja.ate(lambda: loja.sql("pedidos", "fila") == "0", 600, "pedidos has not published all orders")
        loja.repousar()
        loja.system.stop("pedidos")
    try:
        with observacao.medindo(loja) as medida:
            loja.ate(lambda: _decididos(loja) >= quantos, 600, "estoque has not decided all that waits")
        replicas = observacao.participacao(loja, {})
    finally:
        loja.system.start("pedidos")
    # With several replicas, what the first of them decides before the last has started is not counted.
    desde = medida["de"] if len(replicas) > 1 else 0
    decisoes = json.loads(loja.sql("estoque", "decisoes_de_estoque", desde=desde))
    return {**medida, "por_segundo": decisoes["por_segundo"], "decisoes": decisoes, "replicas": replicas}


def _decididos(loja: Loja) -> float:
    return sum(observacao.eventos_por_replica(loja).values())
