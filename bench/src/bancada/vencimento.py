"""Very many reservations that lapse: all at once while the operator sweeps, or lapsed and never swept."""

import time

from bancada import carga, ponta_a_ponta
from bancada.distribuicao import SKUS
from bancada.loja import BancadaError, Loja, parada
from bancada.plano import Medida, Plano

_RESERVAS_POR_SEGUNDO = 4_000  # so many are surely made: they must not lapse before all are there
_VARRER_SEGUNDOS = 600
_ENTREGAR_SEGUNDOS = 3600


def todas_de_uma_vez(loja: Loja, plano: Plano) -> Medida:
    """Orders a second from the instant at which all lapse until all are swept; `sem`: just before it."""
    loja.esvaziar()
    vencem = round(time.time() + 20 + plano.reservas / _RESERVAS_POR_SEGUNDO + 2 * plano.segundos)
    loja.reservar(plano.reservas, vencem=vencem, skus=SKUS)
    sem = ponta_a_ponta.saturar(loja, plano, "uniforme", 3)
    corpos = loja.corpos("uniforme", 3)
    if time.time() > vencem - carga.ANTECEDENCIA:
        raise BancadaError("making the reservations took longer than expected: they have lapsed already")
    time.sleep(vencem - carga.ANTECEDENCIA - time.time())
    medida = carga.enquanto(
        loja,
        corpos,
        conexoes=plano.conexoes,
        pronto=lambda: _varridas(loja, "estoque", vencem),
        segundos=_VARRER_SEGUNDOS,
    )
    loja.ate(
        lambda: _varridas(loja, "pedidos", vencem), _ENTREGAR_SEGUNDOS, "pedidos has not heard of all that lapsed"
    )
    loja.esgotar()
    return {**medida, "sem": sem, "segundos_ate_varrer": medida["ate"] - vencem}


def nunca_varridas(loja: Loja, plano: Plano) -> Medida:
    """The hot SKU is all held by lapsed reservations; the operator is down, so each order takes what it needs."""
    with parada(loja.system, "operator"):
        loja.esvaziar(do_quente=plano.reservas)
        loja.reservar(plano.reservas, vencem=round(time.time()) - 60, skus=1)
        medida = ponta_a_ponta.saturar(loja, plano, "quente", 3)
        # pedidos goes on asking about them, so it is never quite at rest.
        medida["conferir"] = loja.conferir(em_repouso=False)
        loja.esvaziar()
    return medida


def _varridas(loja: Loja, banco: str, vencem: float) -> bool:
    return loja.sql(banco, "por_varrer", vencem=vencem) == "f"
