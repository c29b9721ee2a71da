"""The same with years behind it: databases full of past orders and SKUs, made once and kept."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from bancada import ponta_a_ponta
from bancada.distribuicao import SKUS
from bancada.loja import BancadaError, Loja
from bancada.plano import Medida, Medir, Plano
from local_system import Config, Ports, System

_POR_VEZ = 1_000_000
_PRONTO = "pronto.json"
_BANCOS = ("pedidos", "estoque")
_PASSADO = {"pedidos": "pedidos_passados", "estoque": "estoque_passado"}


def crescer(folder: Path, plano: Plano, dizer: Callable[[str], None]) -> str:
    """Makes `plano.passados` ended orders over `plano.skus` SKUs in a system of their own; how long, how large."""
    estado = _estado(folder)
    if estado.exists():
        (estado / _PRONTO).unlink(missing_ok=True)
        System(Config(state=estado)).clean()
    inicio = time.monotonic()
    config = Config(state=estado, ports=Ports.free(), parts={f"postgres-{banco}" for banco in _BANCOS})
    with System(config) as system:
        loja = Loja(system, folder / "trabalho")
        loja.esvaziar(skus=plano.skus)
        _encher(loja, plano, dizer)
        tamanhos = {
            banco: loja.psql(banco, "select pg_size_pretty(pg_database_size(current_database()));")
            for banco in _BANCOS
        }
        dizer(loja.conferir())
    feito = {
        "pedidos": plano.passados,
        "skus": plano.skus,
        "segundos": time.monotonic() - inicio,
        "tamanhos": tamanhos,
    }
    (estado / _PRONTO).write_text(json.dumps(feito) + "\n")
    return f"{plano.passados:,} orders and {plano.skus:,} SKUs in {feito['segundos']:,.0f} s: {tamanhos}"


def _encher(loja: Loja, plano: Plano, dizer: Callable[[str], None]) -> None:
    fim = round(time.time()) - 2 * 24 * 3600
    for de in range(1, plano.passados + 1, _POR_VEZ):
        ate = min(de + _POR_VEZ - 1, plano.passados)
        _em_ambos(partial(_acrescentar, loja, plano, fim, de, ate))
        dizer(f"{ate:,} orders")
    loja.sql("estoque", "vendidos")
    _em_ambos(lambda banco: loja.psql(banco, "vacuum analyze;", segundos=3600))
    loja.repousar()


def _acrescentar(loja: Loja, plano: Plano, fim: int, de: int, ate: int, banco: str) -> str:
    return loja.sql(banco, _PASSADO[banco], de=de, ate=ate, quantos=plano.passados, fim=fim, skus=plano.skus)


def _em_ambos(fazer: Callable[[str], str]) -> None:
    """Side by side: each has its server."""
    with ThreadPoolExecutor(len(_BANCOS)) as juntos:
        list(juntos.map(fazer, _BANCOS))


def saturado(*, todos_os_skus: bool) -> Medir:
    """Saturation with orders over as many SKUs as without growth, or over all there are; the empty system is down."""

    def medir(loja: Loja, plano: Plano) -> Medida:
        estado = _estado(loja.folder.parent)
        if not (estado / _PRONTO).exists():
            raise BancadaError("there are no grown databases; make them with `python -m bancada crescer`")
        crescido = json.loads((estado / _PRONTO).read_text())
        skus = crescido["skus"] if todos_os_skus else SKUS
        loja.system.down()
        try:
            with System(Config(state=estado, settings=loja.system.config.settings)) as system:
                crescida = Loja(system, loja.folder)
                medida = ponta_a_ponta.saturar(crescida, plano, "uniforme", 3, skus=skus)
                crescida.esgotar()
        finally:
            loja.system.up()
        return {**medida, "crescido": crescido}

    return medir


def conferir(loja: Loja) -> str:
    """Proves it of all orders, past and new: minutes. Raises BancadaError with the violations."""
    with System(
        Config(state=_estado(loja.folder.parent), parts={f"postgres-{banco}" for banco in _BANCOS})
    ) as system:
        return Loja(system, loja.folder).conferir()


def _estado(folder: Path) -> Path:
    return folder / "crescido"
