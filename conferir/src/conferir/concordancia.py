"""What pedidos and estoque may say of one another. Pure: no I/O, instants are arguments.

Every pair of snapshots is taken in one order, pedidos first: whatever pedidos has heard, estoque then has said.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from conferir.pedido import Pedido
from conferir.violacao import Regra, Violacao
from reservaestoque.events import FINAL_STATUSES, Status


@dataclass(frozen=True)
class Criterio:
    """What is judged, and how strictly.

    What is missing is judged while it is younger than `retencao`: after that it may have been purged. News that
    nobody waits for (a reservation has lapsed) may be on their way for `entrega`. `em_repouso`: nothing is.
    """

    retencao: timedelta = timedelta(hours=20)
    entrega: timedelta = timedelta(minutes=10)
    em_repouso: bool = False


class Instantes(NamedTuple):
    """The clocks of the two databases."""

    pedidos: datetime
    estoque: datetime


class Par(NamedTuple):
    """An order in both databases; None where it is missing.

    `pendente`: a command of it is being sent until it is answered. `a_caminho`: estoque has not published all yet.
    """

    pedidos: Pedido | None
    estoque: Pedido | None
    pendente: bool = False
    a_caminho: bool = False


class Comando(NamedTuple):
    """A command of pedidos. `pendente`: it will be sent again."""

    id: UUID
    pedido_id: UUID
    tipo: str
    criado_em: datetime
    pendente: bool
    respondido: bool
    recusa: str | None


class Historia(NamedTuple):
    """An order's version in pedidos, its commands, and how many of them may have reserved, how many closed."""

    id: UUID
    status: str
    versao: int
    comandos: int
    reservas: int
    fechamentos: int


def parece_bem(par: Par) -> bool:
    """Whether there is nothing to look at: both say the same, and it is a decision."""
    return (
        par.pedidos is not None
        and par.estoque is not None
        and par.pedidos.status != Status.CRIADO
        and par.pedidos.palavra == par.estoque.palavra
    )


def conferir_par(par: Par, agora: Instantes, criterio: Criterio) -> Violacao | None:
    """What is wrong with an order, if it stays: None when the difference explains itself."""
    pedidos, estoque = par.pedidos, par.estoque
    if pedidos is None:
        if estoque is None or _pode_estar_purgado(estoque, agora.estoque, criterio):
            return None
        return _acordo(par, "pedidos does not know it")
    if pedidos.status == Status.CRIADO and (criterio.em_repouso or not par.pendente):
        return Violacao(Regra.SEM_DECISAO, str(pedidos.id), f"Criado; {_palavra('estoque', estoque)}")
    if estoque is None:
        if pedidos.status == Status.CRIADO or _pode_estar_purgado(pedidos, agora.pedidos, criterio):
            return None
        return _acordo(par, "estoque does not know it")
    return _conferir_ambos(par, pedidos, estoque, agora, criterio)


def _conferir_ambos(
    par: Par, pedidos: Pedido, estoque: Pedido, agora: Instantes, criterio: Criterio
) -> Violacao | None:
    # A cancel that overtook its order brings no items.
    if estoque.itens not in (pedidos.itens, "{}") or (estoque.itens == "{}" and estoque.status != Status.CANCELADO):
        return _acordo(par, f"items {pedidos.itens} and {estoque.itens}")
    if pedidos.versao < estoque.versao and _chega_ainda(par, pedidos, estoque, agora, criterio):
        return None
    if pedidos.palavra[:2] != estoque.palavra[:2]:
        return _acordo(par)
    if pedidos.expira_em != estoque.expira_em:
        return _acordo(par, f"lapses at {pedidos.expira_em} and {estoque.expira_em}")
    if pedidos.itens_em_falta != estoque.itens_em_falta:
        return _acordo(par, f"lacks {pedidos.itens_em_falta} and {estoque.itens_em_falta}")
    return None


def _chega_ainda(par: Par, pedidos: Pedido, estoque: Pedido, agora: Instantes, criterio: Criterio) -> bool:
    """Whether estoque's newer word is on its way: an answer is asked for until it comes, a lapse is told once."""
    if criterio.em_repouso:
        return False
    if par.pendente or par.a_caminho:
        return True
    venceu = (pedidos.status, estoque.status) == (Status.ESTOQUE_RESERVADO, Status.RESERVA_EXPIRADA)
    return venceu and agora.estoque - estoque.atualizado_em < criterio.entrega


def conferir_comando(
    comando: Comando, inbox: dict[UUID, str | None], agora: datetime, criterio: Criterio
) -> Violacao | None:
    """What is wrong with a command; `inbox` has what estoque answered to those that it remembers."""
    if not comando.respondido:
        if comando.pendente and not criterio.em_repouso:
            return None
        desistiu = "was never answered" if comando.pendente else "was never answered and is not sent again"
        return Violacao(Regra.SEM_RESPOSTA, str(comando.id), f"{_nome(comando)} {desistiu}")
    if comando.id in inbox:
        if inbox[comando.id] == comando.recusa:
            return None
        detalhe = (
            f"{_nome(comando)}: pedidos heard {comando.recusa or 'yes'}, estoque said {inbox[comando.id] or 'yes'}"
        )
        return Violacao(Regra.RESPOSTA, str(comando.id), detalhe)
    if agora - comando.criado_em >= criterio.retencao:
        return None
    return Violacao(Regra.RESPOSTA, str(comando.id), f"{_nome(comando)} was answered, estoque knows nothing of it")


def conferir_versao(h: Historia) -> Violacao | None:
    """Whether an order has more versions than its commands and lapses can have made: an event took effect twice.

    Each command makes one. So does each lapse, of which there is at most one a reservation: none of one that holds,
    none of a check that found too little.
    """
    negada = h.status == Status.ESTOQUE_NAO_DISPONIVEL and not h.fechamentos
    vencimentos = max(h.reservas - (h.status == Status.ESTOQUE_RESERVADO) - negada, 0)
    if h.versao <= h.comandos + vencimentos:
        return None
    detalhe = f"{h.status}, version {h.versao} after {h.comandos} commands and at most {vencimentos} lapses"
    return Violacao(Regra.VERSAO, str(h.id), detalhe)


def _pode_estar_purgado(visto: Pedido, agora: datetime, criterio: Criterio) -> bool:
    """Whether the other database may have forgotten an order: an ended one that is not young."""
    return visto.status in FINAL_STATUSES and agora - visto.criado_em >= criterio.retencao


def _acordo(par: Par, detalhe: str = "") -> Violacao:
    visto = par.pedidos or par.estoque
    palavras = f"{_palavra('pedidos', par.pedidos)}, {_palavra('estoque', par.estoque)}"
    return Violacao(Regra.ACORDO, str(visto.id if visto else ""), f"{palavras}{'; ' if detalhe else ''}{detalhe}")


def _palavra(quem: str, pedido: Pedido | None) -> str:
    return f"{quem} says {pedido.status} ({pedido.versao})" if pedido else f"{quem} says nothing"


def _nome(comando: Comando) -> str:
    return f"{comando.tipo} of order {comando.pedido_id}"
