import pytest

from operador.eventos import eventos
from operador.stockitem import Condicao, Status

from .fabrica import AGORA


def status(synced="Synced", available="InStock", low="False", disponivel=10):
    condicoes = (
        Condicao("Synced", str(synced == "Synced"), synced, "", 1, AGORA),
        Condicao("Available", str(available == "InStock"), available, "", 1, AGORA),
        Condicao("LowStock", low, "x", "", 1, AGORA),
    )
    return Status("A", 1, condicoes, disponivel=disponivel)


TABELA = [
    ("first claim", None, status(), ["Normal Claimed"]),
    ("an order", status(), status(disponivel=9), []),
    ("conflict from the start", None, status("SkuConflict", "SkuConflict"), ["Warning SkuConflict"]),
    ("conflict over", status("SkuConflict", "SkuConflict"), status(), ["Normal Claimed"]),
    ("below committed", status(), status("BelowCommitted"), ["Warning BelowCommitted"]),
    ("above again", status("BelowCommitted"), status(), ["Normal Synced"]),
    ("out of stock", status(), status(available="OutOfStock"), ["Warning OutOfStock"]),
    ("back in stock", status(available="OutOfStock"), status(), ["Normal BackInStock"]),
    ("new and empty", None, status(available="OutOfStock"), ["Normal Claimed"]),
    ("paused by its owner", status(), status(available="Paused"), []),
    ("low", status(), status(low="True"), ["Warning LowStock"]),
    ("still low", status(low="True"), status(low="True", disponivel=3), []),
    ("deletion waits", status(), status("Deleting", "Deleting"), ["Normal Deleting"]),
    ("refused", status(), status("Rejected"), ["Warning Rejected"]),
    ("an outage", status(), status("DatabaseUnavailable"), []),
    ("an outage over", status("DatabaseUnavailable"), status(), []),
    ("conflict found after an outage", status("DatabaseUnavailable"), status("SkuConflict"), ["Warning SkuConflict"]),
]


@pytest.mark.parametrize(("antes", "depois", "esperado"), [c[1:] for c in TABELA], ids=[c[0] for c in TABELA])
def test_events_worth_telling(antes, depois, esperado):
    assert [f"{e.tipo} {e.motivo}" for e in eventos(antes, depois)] == esperado
