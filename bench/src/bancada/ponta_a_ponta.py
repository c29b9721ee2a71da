"""From POST through the gateway to the decision in pedidos' database."""

from bancada import carga, observacao
from bancada.distribuicao import SKUS
from bancada.loja import Loja
from bancada.plano import Medida, Medir, Plano

POUCAS = 1_000
"""Units of the hot SKU where nearly all is refused."""


def saturado(distribuicao: str, itens: int, *, espera: bool = True, do_quente: int | None = None) -> Medir:
    """As much as the system takes: customers who wait for the decision (201), or only for 202."""

    def medir(loja: Loja, plano: Plano) -> Medida:
        loja.esvaziar(do_quente=do_quente)
        return saturar(loja, plano, distribuicao, itens, espera=espera)

    return medir


def saturar(
    loja: Loja, plano: Plano, distribuicao: str, itens: int, *, espera: bool = True, skus: int = SKUS
) -> Medida:
    """The same on whatever is in the databases."""
    corpos = loja.corpos(distribuicao, itens, skus)
    return carga.fechada(loja, corpos, conexoes=plano.conexoes, segundos=plano.segundos, espera=espera)


def metade(distribuicao: str, itens: int) -> Medir:
    """A constant rate of half of what the system has just shown that it takes."""

    def medir(loja: Loja, plano: Plano) -> Medida:
        loja.esvaziar()
        saturacao = saturar(loja, plano, distribuicao, itens)["por_segundo"]
        corpos = loja.corpos(distribuicao, itens)
        ritmo = max(1, round(saturacao / 2))
        medida = carga.aberta(loja, corpos, conexoes=plano.conexoes, por_segundo=ritmo, segundos=plano.segundos)
        return {**medida, "saturacao": saturacao}

    return medir


def em_repouso(loja: Loja, plano: Plano) -> Medida:
    """One customer, one order after the other."""
    loja.esvaziar()
    return carga.fechada(loja, loja.corpos("uniforme", 3), conexoes=1, segundos=plano.segundos, espera=True)


def com_replicas(estoques: int) -> Medir:
    """The hot SKU with so many replicas of estoque, each of which must take part."""

    def medir(loja: Loja, plano: Plano) -> Medida:
        with loja.replicas(estoque=estoques):
            loja.esvaziar()
            antes = observacao.eventos_por_replica(loja)
            medida = saturar(loja, plano, "quente", 3)
            return {**medida, "replicas": observacao.participacao(loja, antes)}

    return medir
