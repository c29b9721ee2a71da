"""What a check can find. Pure values."""

from enum import StrEnum
from typing import NamedTuple


class Regra(StrEnum):
    """What must always hold (DESIGN: never)."""

    SUPRIMENTO = "suprimento"
    """Units reserved and sold are never more than the supply in force, which is what is declared or committed."""
    CONTADORES = "contadores"
    """The counters of a SKU are the sums of its lines."""
    LINHAS = "linhas"
    """An order holds the lines that its status says, all of them, and no others."""
    ACORDO = "acordo"
    """pedidos and estoque say the same of an order, and both know it."""
    SEM_DECISAO = "sem_decisao"
    """An order that waits for estoque has a command that is sent until it is answered."""
    SEM_RESPOSTA = "sem_resposta"
    """A command is answered, or sent until it is."""
    RESPOSTA = "resposta"
    """What pedidos heard as the answer to an event is what estoque's inbox says of it."""
    VERSAO = "versao"
    """An order has no more versions than its commands and its lapses can have made."""
    OUTBOX = "outbox"
    """At rest everything has been told."""


IMEDIATAS = frozenset({Regra.SUPRIMENTO, Regra.CONTADORES, Regra.LINHAS})
"""Rules about one snapshot of one database: what breaks them is no matter of waiting."""


class Violacao(NamedTuple):
    """A rule, what breaks it (a SKU, an order's or a command's id, a database), and a sentence with the numbers."""

    regra: Regra
    chave: str
    detalhe: str

    def __str__(self) -> str:
        return f"{self.regra}: {self.chave}: {self.detalhe}"
