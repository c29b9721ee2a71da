"""How the production tests read documents and their customers' answers."""

from typing import Any

import pytest
from cluster.document import Substitution, script, section
from customers import Answer
from production.history import Row, contradictions, longest_silence, table

DOCUMENT = """# Title

## Install

1. First.

   ```sh
   ns=a
   kubectl apply -k k8s/production
   ```

```sh
helm install $ns
```

## Next

```sh
rm -r /
```
"""


def order(status: str, version: int, quantity: int = 1) -> dict[str, Any]:
    return {"pedidoId": "p", "status": status, "versao": version, "itens": [{"sku": "A", "quantidade": quantity}]}


def answer(status: str, version: int, code: int = 201) -> Answer:
    return Answer("POST /pedidos", 1, 2, code, order(status, version))


def test_a_section_s_commands_are_read_in_their_order():
    commands = script(section(DOCUMENT, "Install"), [Substitution("k8s/production", "k8s/kind/production")])
    assert commands.split("\n") == ["ns=a", "kubectl apply -k k8s/kind/production", "", "helm install $ns", ""]


def test_text_missing_from_the_document_cannot_be_substituted():
    with pytest.raises(ValueError, match="no longer says"):
        script(DOCUMENT, [Substitution("k8s/staging", "")])
    with pytest.raises(ValueError, match="no section"):
        section(DOCUMENT, "Instal")


@pytest.mark.parametrize(
    ("told", "there"),
    [
        (answer("Criado", 0, 202), order("EstoqueReservado", 1)),
        (answer("EstoqueReservado", 1), order("EstoqueReservado", 1)),
        (answer("EstoqueReservado", 1), order("ReservaExpirada", 2)),
        (answer("Fechado", 2, 200), order("Fechado", 2)),
    ],
)
def test_legitimate_changes_contradict_nothing(told: Answer, there: dict[str, Any]):
    assert contradictions([told], {"p": there}) == []


@pytest.mark.parametrize(
    ("told", "there", "why"),
    [
        (answer("Criado", 0, 202), order("Criado", 0), "undecided"),
        (answer("EstoqueReservado", 1), order("ReservaExpirada", 1), "is ReservaExpirada"),
        (answer("EstoqueReservado", 3), order("ReservaExpirada", 2), "version 2"),
        (answer("Fechado", 2, 200), order("ReservaExpirada", 3), "is ReservaExpirada"),
        (answer("EstoqueReservado", 1), order("EstoqueReservado", 1, quantity=2), "other items"),
    ],
)
def test_an_answer_that_contradicts_the_order_is_reported(told: Answer, there: dict[str, Any], why: str):
    (found,) = contradictions([told], {"p": there})
    assert why in found


def test_a_lost_acknowledged_order_is_reported_and_a_failed_one_is_not():
    assert contradictions([answer("Criado", 0, 202)], {}) == [
        "p is not there; POST was answered 202 Criado version 0"
    ]
    assert contradictions([answer("Criado", 0, 503), Answer("GET /estoque/A", 1, 2, 200, {"sku": "A"})], {}) == []


def test_the_longest_silence_may_be_the_first_or_the_last():
    assert longest_silence([3, 1, 4, 9], begin=0, end=10) == 5
    assert longest_silence([6, 7], begin=0, end=10) == 6
    assert longest_silence([2], begin=1, end=10) == 8
    assert longest_silence([], begin=1, end=10) == 9


def test_the_table_is_markdown():
    written = table([Row("primary deleted", 5.34, 7.1, 3, 200, "promoted after 4 s")])
    assert written.splitlines()[2] == "| primary deleted | 5.3 | 7.1 | 3 of 200 | promoted after 4 s |"
