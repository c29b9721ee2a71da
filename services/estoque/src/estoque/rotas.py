"""REST: balances."""

from typing import Annotated

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter, RawBody

from estoque.saldos import MAX_LIMITE, Consulta, Pagina, Resposta, Saldo, Saldos
from reservaestoque.http import JsonBody, ProblemError, conditional_get
from reservaestoque.http.problems import NOT_FOUND

Limite = Annotated[int, QueryParameter(ge=1, le=MAX_LIMITE, description="How many balances a page has at most.")]
Cursor = Annotated[str, QueryParameter(max_length=64, description="`proximo` of the page before.")]


@get(
    "/estoque",
    summary="Balances of all SKUs, page by page",
    response_description="A page of balances.",
    **conditional_get(),
)
async def listar(saldos: NamedDependency[Saldos], cursor: Cursor = "", limite: Limite = 100) -> Pagina:
    """Balances in SKU order, `limite` at a time."""
    return await saldos.listar(_legivel(cursor), limite)


@get(
    "/estoque/{sku:str}",
    summary="Balance of one SKU",
    response_description="The balance.",
    problems=(NOT_FOUND,),
    **conditional_get(),
)
async def obter(
    saldos: NamedDependency[Saldos],
    sku: Annotated[str, PathParameter(description="The SKU, as its StockItem declares it.")],
) -> Saldo:
    """The balance of `sku`. Raises ProblemError (404) when there is no such SKU."""
    saldo = await saldos.obter(_legivel(sku))
    if saldo is None:
        raise ProblemError(NOT_FOUND, f"there is no SKU {sku[:64]!r}")
    return saldo


_consulta = JsonBody(Consulta)


@post(
    "/estoque/consulta",
    status_code=200,
    summary="Balances of many SKUs at once",
    response_description="The balances.",
    operation_class=_consulta.operation,
)
async def consultar(saldos: NamedDependency[Saldos], body: RawBody) -> Resposta:
    """The balances of the SKUs asked for, and which of them there are not. Raises ProblemError (400, 422)."""
    skus = _consulta.read(body).skus
    itens = await saldos.consultar([_legivel(sku) for sku in skus])
    achados = {saldo.sku for saldo in itens}
    return Resposta(itens, [sku for sku in dict.fromkeys(skus) if sku not in achados])


def _legivel(texto: str) -> str:
    """PostgreSQL text has no NUL, so no SKU has one either: what asks for it finds nothing."""
    return texto.replace("\0", "\N{REPLACEMENT CHARACTER}")


ROTAS = (listar, obter, consultar)
