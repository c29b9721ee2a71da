"""A stock row as the SQL functions return it."""

import msgspec


class Saldo(msgspec.Struct, frozen=True):
    """Current units of a SKU, without lapsed reservations, and the row's data about its StockItem.

    `dono` is the owner, ``namespace/name``, None when no item declares the SKU. `quantidade` is the supply in force,
    `alvo` the declared supply. `nome` is None where the function does not return it.
    """

    sku: str
    dono: str | None
    situacao: str
    alvo: int
    quantidade: int
    reservado: int
    vendido: int
    disponivel: int
    limite_baixo: int | None
    nome: str | None = None
