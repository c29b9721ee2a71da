"""A real kube-apiserver, etcd, PostgreSQL and operator for all tests here; each test has names of its own."""

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from local_system import Config, LocalSystemError, Ports, System
from local_system.kubernetes import operator_kubeconfig

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

RESERVAR_MUITAS = """
begin;
create temp table novo on commit drop as
select gen_random_uuid() as id, '{prefixo}-' || n % {itens} as sku, agora() + '{ttl} seconds'::interval
    + n * interval '1 second' / {n} as expira_em
from generate_series(1, {n}) n;
insert into pedido (id, status, versao, itens, expira_em)
select id, 'EstoqueReservado', 1, jsonb_build_object(sku, 1), expira_em from novo;
update estoque e set reservado = reservado + n.unidades, alterado_em = agora()
from (select sku, count(*) as unidades from novo group by sku) n where e.sku = n.sku;
insert into reserva (pedido_id, sku, quantidade, expira_em) select id, sku, 1, expira_em from novo;
commit;
"""

LINHA = "select {campos} from estoque where sku = '{sku}'"
LINHAS = "select count(*) from estoque where dono like 'default/{prefixo}%'"
PEDIDO = "select status from pedido where id = '{pedido}'"
FATO = "select status from outbox where pedido_id = '{pedido}'"
MEXER = "update estoque set {mudanca} where sku = '{sku}'"
ORFA = "insert into estoque (sku, nome, alvo, quantidade, dono) values ('{sku}', 'x', 5, 5, 'default/{sku}')"
IMPOR = "alter table estoque add constraint {nome} check ({condicao}) not valid"
DISPENSAR = "alter table estoque drop constraint {nome}"
TRANCAR = "select 1 from pedido where id = $1 for update"
VIVAS = "select count(*) from reserva where sku like '{prefixo}-%'"
FATOS = """
select count(*) from outbox o join pedido p on p.id = o.pedido_id
where o.status = 'ReservaExpirada' and p.itens::text like '%{prefixo}-%'
"""
APAGAR = "delete from estoque where sku = '{sku}'"


@dataclass
class Mundo:
    """The system and the verbs in which the tests are written. `kubectl` acts in the namespace default."""

    sistema: System
    criados: list[tuple[str, str]] = field(default_factory=list)
    aplicando: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def kubectl(self, *args: str, stdin: str = "") -> str:
        return self.sistema.kubectl(*args, stdin=stdin)

    def recusa(self, manifesto: dict[str, Any], *args: str) -> str:
        with pytest.raises(LocalSystemError) as recusado:
            self.kubectl("apply", *args, "--filename=-", stdin=json.dumps(manifesto))
        return str(recusado.value)

    def aplicar(self, nome: str, *, ns: str = "default", **spec: Any) -> None:
        self.kubectl("apply", "--filename=-", stdin=json.dumps(manifesto(nome, ns=ns, **spec)))
        self.criados.append((ns, nome))

    def aplicar_lista(self, itens: list[dict[str, Any]]) -> None:
        """All these StockItems in one apply."""
        lista = json.dumps({"apiVersion": "v1", "kind": "List", "items": itens})
        self.kubectl("apply", "--server-side", "--filename=-", stdin=lista)
        self.criados.extend((i["metadata"]["namespace"], i["metadata"]["name"]) for i in itens)

    def aplicar_muitos(self, prefixo: str, n: int, *, espera: bool = True) -> None:
        """StockItems `prefixo-0` and so on, in one apply; does not wait for its end unless `espera`."""
        itens = [manifesto(f"{prefixo}-{i}", quantity=i + 1) for i in range(n)]
        for item in itens:
            item["metadata"]["labels"] = {"lote": prefixo}
        lista = json.dumps({"apiVersion": "v1", "kind": "List", "items": itens})
        processo = subprocess.Popen(
            [self.sistema.kubectl_path, f"--kubeconfig={self.sistema.kubeconfig}", "create", "--filename=-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        assert processo.stdin is not None
        processo.stdin.write(lista.encode())
        processo.stdin.close()
        if espera:
            assert processo.wait() == 0
        else:
            self.aplicando.append(processo)

    def apagar_muitos(self, prefixo: str) -> None:
        """What `aplicar_muitos` made, in one request: kubectl would make a thousand of it, slowly."""
        todos = "/apis/reservaestoque.dev/v1/namespaces/default/stockitems"
        self.kubectl("delete", f"--raw={todos}?labelSelector=lote%3D{prefixo}")

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

    @contextmanager
    def regra_do_banco(self, nome: str, condicao: str) -> Iterator[None]:
        """A rule that PostgreSQL has and the definition does not know."""
        self.sql(IMPOR, nome=nome, condicao=condicao)
        try:
            yield
        finally:
            self.sql(DISPENSAR, nome=nome)

    @contextmanager
    def sem_cluster(self) -> Iterator[None]:
        """etcd and kube-apiserver are down inside, up after."""
        for parte in ("kube-apiserver", "etcd"):
            self.sistema.stop(parte)
        try:
            yield
        finally:
            for parte in ("etcd", "kube-apiserver"):
                self.sistema.start(parte)

    @contextmanager
    def tranca(self, pedido: str) -> Iterator[None]:
        """Somebody holds this order's lock inside."""
        url = self.sistema.database_url("estoque")
        with asyncio.Runner() as laco:
            conexao = laco.run(asyncpg.connect(url))
            laco.run(conexao.execute("begin"))
            laco.run(conexao.execute(TRANCAR, uuid.UUID(pedido)))
            try:
                yield
            finally:
                laco.run(conexao.close())

    def perder_os_itens(self, *nomes: str) -> None:
        """The StockItems vanish without the operator's doing."""
        for nome in nomes:
            self.apagar(nome)
            self.kubectl("patch", "stockitem", nome, "--type=merge", '--patch={"metadata": {"finalizers": null}}')

    def chamadas(self) -> float:
        """Calls of sincronizar_itens by the system's operator."""
        texto = httpx.get(f"{self.sistema.program_url('operator')}/metrics").text
        return next(float(li.split()[1]) for li in texto.splitlines() if li.startswith("operador_lote_itens_count"))

    def manifesto(self, nome: str, **spec: Any) -> dict[str, Any]:
        return manifesto(nome, **spec)

    def vivas(self, prefixo: str) -> int:
        """Lines of reservations that have not been swept."""
        return int(self.sql(VIVAS, prefixo=prefixo))

    def fatos(self, prefixo: str) -> int:
        """How many facts the outbox holds of orders of these items that lapsed."""
        return int(self.sql(FATOS, prefixo=prefixo))

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

    def reservar_muitas(self, prefixo: str, n: int, *, itens: int, ttl: float) -> None:
        """`n` reservations of a unit, over items `prefixo-0` and so on, which lapse within a second."""
        self.sql(RESERVAR_MUITAS, prefixo=prefixo, n=n, itens=itens, ttl=ttl)

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


@dataclass
class Operador:
    """An operator beside that of the system."""

    processo: "subprocess.Popen[bytes]"
    registro: Path
    endereco: str

    def saude(self, qual: str) -> tuple[int, str]:
        """Status and text of /health/`qual`; 0 while nobody listens."""
        try:
            resposta = httpx.get(f"{self.endereco}/health/{qual}", timeout=5)
        except httpx.TransportError as falta:
            return 0, str(falta)
        return resposta.status_code, resposta.text

    def metrica(self, nome: str) -> float | None:
        texto = httpx.get(f"{self.endereco}/metrics", timeout=5).text
        return next((float(li.split()[1]) for li in texto.splitlines() if li.startswith(f"{nome} ")), None)


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
    for processo in mundo.aplicando:
        processo.wait()
    for ns, nome in mundo.criados:
        sistema.kubectl("delete", "stockitem", nome, f"--namespace={ns}", "--ignore-not-found", "--wait=false")


@pytest.fixture
def abrir_operador(sistema: System, tmp_path: Path) -> Iterator[Callable[..., Operador]]:
    """Starts operators. `preludio` is Python which runs before the program, `kubeconfig` who it is."""
    abertos = []

    def abrir(preludio: str = "", kubeconfig: Path | None = None, **ambiente: str) -> Operador:
        porta = Ports.free().operator
        registro = tmp_path / f"operador-{len(abertos)}.log"
        env = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": sistema.database_url("estoque", role="operador"),
            "KUBECONFIG": str(kubeconfig or operator_kubeconfig(sistema.layout)),
            "PORT": str(porta),
            "RESYNC_INTERVAL": RESSINCRONIA,
            **ambiente,
        }
        programa = f"{preludio}\nfrom operador.__main__ import main\nmain()\n"
        with registro.open("wb") as log:
            processo = subprocess.Popen([sys.executable, "-c", programa], env=env, stderr=log)
        abertos.append(Operador(processo, registro, f"http://127.0.0.1:{porta}"))
        return abertos[-1]

    yield abrir
    for aberto in abertos:
        if aberto.processo.poll() is None:
            aberto.processo.kill()
        aberto.processo.wait()


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
