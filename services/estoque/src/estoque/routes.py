"""REST: balances."""

from typing import Annotated

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter, RawBody

from estoque.saldos import MAX_PAGE, Saldo, SaldoLookup, SaldoLookupResult, SaldoPage, Saldos
from reservaestoque.http import JsonBody, ProblemError, conditional_get
from reservaestoque.http.problems import NOT_FOUND

Limit = Annotated[int, QueryParameter(ge=1, le=MAX_PAGE, description="Maximum number of balances per page.")]
Cursor = Annotated[str, QueryParameter(max_length=64, description="`proximo` of the previous page.")]


@get(
    "/estoque",
    summary="Balances of all SKUs, page by page",
    response_description="A page of balances.",
    **conditional_get(),
)
async def list_balances(saldos: NamedDependency[Saldos], cursor: Cursor = "", limite: Limit = 100) -> SaldoPage:
    """Balances in SKU order, `limite` at a time."""
    return await saldos.page(_without_nul(cursor), limite)


@get(
    "/estoque/{sku:str}",
    summary="Balance of one SKU",
    response_description="The balance.",
    problems=(NOT_FOUND,),
    **conditional_get(),
)
async def get_balance(
    saldos: NamedDependency[Saldos],
    sku: Annotated[
        str,
        PathParameter(
            description="The SKU, as declared by its StockItem. The gateway refuses an escaped `/` or `\\` (400).",
            schema_extra={"pattern": r"^[^/\\]+$"},
        ),
    ],
) -> Saldo:
    """The balance of `sku`. Raises ProblemError (404) when the SKU is unknown."""
    saldo = await saldos.get(_without_nul(sku))
    if saldo is None:
        raise ProblemError(NOT_FOUND, f"there is no SKU {sku[:64]!r}")
    return saldo


_lookup = JsonBody(SaldoLookup)


@post(
    "/estoque/consulta",
    status_code=200,
    summary="Balances of many SKUs at once",
    response_description="The balances.",
    operation_class=_lookup.operation,
)
async def look_up_balances(saldos: NamedDependency[Saldos], body: RawBody) -> SaldoLookupResult:
    """The balances of the requested SKUs, and which of those are unknown. Raises ProblemError (400, 422)."""
    skus = _lookup.read(body).skus
    itens = await saldos.look_up([_without_nul(sku) for sku in skus])
    found = {saldo.sku for saldo in itens}
    return SaldoLookupResult(itens, [sku for sku in dict.fromkeys(skus) if sku not in found])


def _without_nul(text: str) -> str:
    """PostgreSQL text has no NUL, and so no SKU has one: after the replacement, the search finds nothing."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


ROUTES = (list_balances, get_balance, look_up_balances)
