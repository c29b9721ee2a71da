"""A real kube-apiserver, etcd, PostgreSQL and operator for all tests here; each test has names of its own."""

import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from local_system import Config, LocalSystemError, Ports, System

RESSINCRONIA = "3s"

RESERVAR = """
begin;
insert into pedido (id, status, versao, itens, expira_em)
values ('{pedido}', 'EstoqueReservado', 1, '[]', agora() + '{ttl} seconds'::interval);
update estoque set reservado = reservado + {n}, quantidade = greatest(alvo, reservado + {n} + vendido),
    alterado_em = agora() where sku = '{sku}';
insert into reserva (pedido_id, sku, quantidade, expira_em)
select id, '{sku}', {n}, expira_em from pedido where id = '{pedido}';
commit;
"""
FECHAR = """
begin;
update pedido set status = 'Fechado', versao = versao + 1, expira_em = null where id = '{pedido}';
update estoque e set reservado = reservado - r.quantidade, vendido = vendido + r.quantidade, alterado_em = agora()
from reserva r where r.pedido_id = '{pedido}' and r.sku = e.sku;
update reserva set vendida = true where pedido_id = '{pedido}';
commit;
"""
CANCELAR = """
begin;
update pedido set status = 'Cancelado', versao = versao + 1, expira_em = null where id = '{pedido}';
update estoque e set reservado = reservado - r.quantidade,
    quantidade = greatest(alvo, reservado - r.quantidade + vendido), alterado_em = agora()
from reserva r where r.pedido_id = '{pedido}' and r.sku = e.sku;
delete from reserva where pedido_id = '{pedido}';
commit;
"""


LINHA = "select {campos} from estoque where sku = '{sku}'"
LINHAS = "select count(*) from estoque where dono like 'default/{prefixo}%'"
PEDIDO = "select status from pedido where id = '{pedido}'"
FATO = "select status from outbox where pedido_id = '{pedido}'"
MEXER = "update estoque set {mudanca} where sku = '{sku}'"
ORFA = "insert into estoque (sku, nome, alvo, quantidade, dono) values ('{sku}', 'x', 5, 5, 'default/{sku}')"
APAGAR = "delete from estoque where sku = '{sku}'"


@dataclass
class Mundo:
    """The system and the verbs in which the tests are written. `kubectl` acts in the namespace default."""

    sistema: System
    criados: list[tuple[str, str]] = field(default_factory=list)

    def kubectl(self, *args: str, stdin: str = "") -> str:
        return self.sistema.kubectl(*args, stdin=stdin)

    def recusa(self, manifesto: dict[str, Any], *args: str) -> str:
        with pytest.raises(LocalSystemError) as recusado:
            self.kubectl("apply", *args, "--filename=-", stdin=json.dumps(manifesto))
        return str(recusado.value)

    def aplicar(self, nome: str, *, ns: str = "default", **spec: Any) -> None:
        self.kubectl("apply", "--filename=-", stdin=json.dumps(manifesto(nome, ns=ns, **spec)))
        self.criados.append((ns, nome))

    def apagar(self, nome: str, *, ns: str = "default") -> None:
        self.kubectl("delete", "stockitem", nome, f"--namespace={ns}", "--wait=false")

    def ler(self, nome: str, *, ns: str = "default") -> dict[str, Any] | None:
        texto = self.kubectl("get", "stockitem", nome, f"--namespace={ns}", "--ignore-not-found", "--output=json")
        return json.loads(texto) if texto.strip() else None

    def status(self, nome: str, *, ns: str = "default") -> dict[str, Any]:
        objeto = self.ler(nome, ns=ns)
        return (objeto or {}).get("status", {})

    def motivo(self, nome: str, tipo: str = "Synced", *, ns: str = "default") -> str:
        return self.condicao(nome, tipo, ns=ns).get("reason", "")

    def condicao(self, nome: str, tipo: str = "Synced", *, ns: str = "default") -> dict[str, Any]:
        condicoes = self.status(nome, ns=ns).get("conditions", [])
        return next((c for c in condicoes if c["type"] == tipo), {})

    def numeros(self, nome: str) -> tuple[int | None, ...]:
        """available, reserved, sold, onHand"""
        status = self.status(nome)
        return tuple(status.get(campo) for campo in ("available", "reserved", "sold", "onHand"))

    def eventos(self, nome: str) -> list[str]:
        texto = self.kubectl("get", "events", f"--field-selector=involvedObject.name={nome}", "--output=json")
        return [evento["reason"] for evento in json.loads(texto)["items"]]

    def sql(self, comando: str, **valores: Any) -> str:
        return self.sistema.psql("estoque", comando.format(**valores)).strip()

    def linha(self, sku: str, campos: str) -> str:
        """Columns of the stock row, divided by bars."""
        return self.sql(LINHA, sku=sku, campos=campos)

    def linhas(self, prefixo: str) -> int:
        """How many stock rows have an owner whose name starts so."""
        return int(self.sql(LINHAS, prefixo=prefixo))

    def mexer(self, sku: str, mudanca: str) -> None:
        """Somebody changes the row by hand."""
        self.sql(MEXER, sku=sku, mudanca=mudanca)

    def por_linha_sem_item(self, sku: str) -> None:
        self.sql(ORFA, sku=sku)

    def tirar_linha(self, sku: str) -> None:
        self.sql(APAGAR, sku=sku)

    def pedido(self, pedido: str) -> str:
        return self.sql(PEDIDO, pedido=pedido)

    def fato(self, pedido: str) -> str:
        """What the outbox says of the order."""
        return self.sql(FATO, pedido=pedido)

    def reservar(self, sku: str, n: int, *, ttl: float = 600) -> str:
        pedido = str(uuid.uuid4())
        self.sql(RESERVAR, pedido=pedido, sku=sku, n=n, ttl=ttl)
        return pedido

    def fechar(self, pedido: str) -> None:
        self.sql(FECHAR, pedido=pedido)

    def cancelar(self, pedido: str) -> None:
        self.sql(CANCELAR, pedido=pedido)

    def sincronizados(self, prefixo: str) -> int:
        """How many items whose names start so are Synced."""
        itens = json.loads(self.kubectl("get", "stockitems", "--output=json"))["items"]
        meus = [i for i in itens if i["metadata"]["name"].startswith(prefixo)]
        return sum(c["reason"] == "Synced" for i in meus for c in i.get("status", {}).get("conditions", []))

    def versoes(self, prefixo: str) -> dict[str, str]:
        itens = json.loads(self.kubectl("get", "stockitems", "--output=json"))["items"]
        metas = [item["metadata"] for item in itens]
        return {m["name"]: m["resourceVersion"] for m in metas if m["name"].startswith(prefixo)}


def manifesto(nome: str, *, ns: str = "default", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "reservaestoque.dev/v1",
        "kind": "StockItem",
        "metadata": {"name": nome, "namespace": ns},
        "spec": {"name": "Produto de teste", **spec},
    }


@pytest.fixture(scope="session")
def sistema(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    config = Config(
        state=tmp_path_factory.mktemp("operador"),
        ports=Ports.free(),
        settings={"RESYNC_INTERVAL": RESSINCRONIA},
        parts={"operator"},
    )
    with System(config) as sistema:
        sistema.kubectl("create", "namespace", "outra-loja")
        yield sistema


@pytest.fixture
def mundo(sistema: System) -> Iterator[Mundo]:
    mundo = Mundo(sistema)
    yield mundo
    for ns, nome in mundo.criados:
        sistema.kubectl("delete", "stockitem", nome, f"--namespace={ns}", "--ignore-not-found", "--wait=false")


@pytest.fixture
def nome() -> str:
    """A name, and so a SKU, that no other test uses."""
    return f"item-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def ate() -> Callable[..., None]:
    return esperar


def esperar(valor: Callable[[], Any], esperado: Any, *, segundos: float = 10) -> None:
    """Waits until `valor()` is `esperado`; fails with the last value that it saw."""
    fim = time.monotonic() + segundos
    while (visto := valor()) != esperado:
        assert time.monotonic() < fim, f"expected {esperado!r} within {segundos} s, last seen {visto!r}"
        time.sleep(0.1)
