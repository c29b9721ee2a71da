"""A StockItem as the operator sees it: what it asks for, and the status that it bears."""

import sys
from collections.abc import Hashable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec

GROUP, VERSION, PLURAL, KIND = "reservaestoque.dev", "v1", "stockitems", "StockItem"
FINALIZER = "reservaestoque.dev/estoque"

_Valor = TypeVar("_Valor", bound=Hashable)


class Chave(NamedTuple):
    """What names a StockItem in the cluster."""

    namespace: str
    name: str

    @property
    def dono(self) -> str:
        """The owner as the stock row records it: ``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @classmethod
    def de_dono(cls, dono: str) -> "Chave":
        """The StockItem that a stock row names as its owner; one that cannot exist if somebody wrote nonsense."""
        namespace, _, name = dono.partition("/")
        return cls(namespace, name)


class Condicao(msgspec.Struct, frozen=True):
    """A condition of the status. `desde` is lastTransitionTime, RFC 3339."""

    tipo: str
    status: str
    motivo: str
    mensagem: str
    geracao: int
    desde: str


class Status(msgspec.Struct, frozen=True):
    """A status without lastSyncTime: two that are equal need no write. Units are None when they are not known."""

    sku: str
    geracao: int
    condicoes: tuple[Condicao, ...]
    quantidade: int | None = None
    disponivel: int | None = None
    reservado: int | None = None
    vendido: int | None = None
    em_maos: int | None = None

    def condicao(self, tipo: str) -> Condicao | None:
        """The condition of that type, if there is one."""
        return next((c for c in self.condicoes if c.tipo == tipo), None)


class StockItem(msgspec.Struct, frozen=True):
    """What one version of a StockItem asks for. `versao` is its resourceVersion: greater is newer.

    `finalizadores` are all its finalizers. `ausente` means that it is gone from the cluster.
    """

    chave: Chave
    uid: str
    versao: int
    geracao: int
    sku: str
    nome: str
    quantidade: int
    pausado: bool
    limite_baixo: int | None
    finalizadores: tuple[str, ...] = ()
    excluindo: bool = False
    ausente: bool = False

    @property
    def encerrar(self) -> bool:
        """Whether its SKU is to be given up."""
        return self.excluindo or self.ausente

    @property
    def marcado(self) -> bool:
        """Whether it bears our finalizer, so that it cannot vanish unnoticed."""
        return FINALIZER in self.finalizadores


@lru_cache(maxsize=4096)
def _uma_so(valor: _Valor) -> _Valor:
    """The first of all equal values: a hundred thousand StockItems have few different conditions among them."""
    return valor


def ler_item(corpo: Mapping[str, Any], *, ausente: bool = False) -> StockItem:
    """Reads what the API server sent, into as little memory as may be, since all of it is kept.

    Raises KeyError for an object which its schema would have refused.
    """
    meta, spec = corpo["metadata"], corpo["spec"]
    return StockItem(
        chave=Chave(sys.intern(meta["namespace"]), sys.intern(meta["name"])),
        uid=meta["uid"],
        versao=int(meta["resourceVersion"]),
        geracao=meta.get("generation", 1),
        sku=sys.intern(spec.get("sku", meta["name"])),
        nome=spec["name"],
        quantidade=spec["quantity"],
        pausado=spec.get("paused", False),
        limite_baixo=spec.get("lowStockThreshold"),
        finalizadores=_uma_so(tuple(meta.get("finalizers", ()))),
        excluindo="deletionTimestamp" in meta,
        ausente=ausente,
    )


def ler_status(corpo: Mapping[str, Any]) -> Status | None:
    """The status that the object bears; None when the operator has not written one yet."""
    status = corpo.get("status")
    if not status or "sku" not in status:
        return None
    return Status(
        sku=sys.intern(status["sku"]),
        geracao=status.get("observedGeneration", 0),
        condicoes=_uma_so(tuple(_uma_so(_ler_condicao(c)) for c in status.get("conditions", ()))),
        quantidade=status.get("quantity"),
        disponivel=status.get("available"),
        reservado=status.get("reserved"),
        vendido=status.get("sold"),
        em_maos=status.get("onHand"),
    )


def _ler_condicao(c: Mapping[str, Any]) -> Condicao:
    return Condicao(
        c["type"], c["status"], c["reason"], c["message"], c.get("observedGeneration", 0), c["lastTransitionTime"]
    )


def escrever_status(status: Status, agora: str) -> dict[str, Any]:
    """The status as the API wants it. Absent numbers are null, which a merge patch takes as "remove"."""
    return {
        "sku": status.sku,
        "quantity": status.quantidade,
        "available": status.disponivel,
        "reserved": status.reservado,
        "sold": status.vendido,
        "onHand": status.em_maos,
        "observedGeneration": status.geracao,
        "lastSyncTime": agora,
        "conditions": [
            {
                "type": c.tipo,
                "status": c.status,
                "reason": c.motivo,
                "message": c.mensagem,
                "observedGeneration": c.geracao,
                "lastTransitionTime": c.desde,
            }
            for c in status.condicoes
        ],
    }
