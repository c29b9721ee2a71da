"""An order as one of the databases stores it. Pure values."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class Pedido(NamedTuple):
    """`itens` (units by SKU) and `itens_em_falta` are JSON as PostgreSQL formats it: equal values have equal text."""

    id: UUID
    status: str
    versao: int
    itens: str
    itens_em_falta: str
    expira_em: datetime | None
    criado_em: datetime
    atualizado_em: datetime

    @property
    def comparable(self) -> tuple[object, ...]:
        """The fields that must be equal in both databases."""
        return self.status, self.versao, self.itens, self.itens_em_falta, self.expira_em
