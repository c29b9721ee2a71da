"""How fast StockItems converge, and what each costs the operator in memory, beside a real API server and PostgreSQL.

    python bench/operador/convergencia.py --itens 10000 --memoria 30000 100000

In one run, on all cores of the machine: (1) raw: a status patch an object, as fast as a bare client can, the
operator stopped; (2) backlog: the operator starts, and all of these objects wait for it; (3) live: as many are
created while it runs. Then, for each number of `--memoria`, its resident memory once so many are Synced, and
after a restart.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import aiohttp

from bancada.cpu import OUTROS, Amostra, amostrar, gastos
from local_system import Config, Ports, System

CONEXOES = 24
RECURSO = "/apis/reservaestoque.dev/v1/namespaces/{ns}/stockitems"
STATUS: dict[str, Any] = {
    "sku": "",
    "quantity": 100,
    "available": 100,
    "reserved": 0,
    "sold": 0,
    "onHand": 100,
    "observedGeneration": 0,
    "lastSyncTime": "2026-11-24T12:00:00Z",
    "conditions": [
        {
            "type": tipo,
            "status": status,
            "reason": motivo,
            "message": mensagem,
            "observedGeneration": 0,
            "lastTransitionTime": "2026-11-24T12:00:00Z",
        }
        for tipo, status, motivo, mensagem in (
            ("Synced", "False", "Raw", "Supply of 100 units is in force"),
            ("Available", "True", "InStock", "Units can be reserved"),
            ("LowStock", "False", "NoThreshold", "spec.lowStockThreshold is not set"),
        )
    ],
}


class Api:
    """A bare client of the API server: what it can do is what the server can do."""

    def __init__(self, sistema: System) -> None:
        config = json.loads(sistema.kubeconfig.read_text())
        self._base = config["clusters"][0]["cluster"]["server"]
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONEXOES, ssl=False),
            headers={"Authorization": f"Bearer {config['users'][0]['user']['token']}"},
        )

    async def pedir(self, metodo: str, caminho: str, corpo: Any = None, tipo: str = "application/json") -> bytes:
        """The body of the answer. Raises RuntimeError when it is not 2xx."""
        dados = None if corpo is None else json.dumps(corpo)
        async with self._http.request(
            metodo, self._base + caminho, data=dados, headers={"Content-Type": tipo}
        ) as resposta:
            lido = await resposta.read()
            if not resposta.ok:
                raise RuntimeError(f"{metodo} {caminho}: {resposta.status} {lido[:300]!r}")
            return lido

    async def fechar(self) -> None:
        """Closes the connections."""
        await self._http.close()

    async def criar(self, ns: str, nomes: Iterable[str]) -> float:
        """Creates these StockItems; seconds."""
        url = RECURSO.format(ns=ns)
        return await todos(nomes, lambda nome: self.pedir("POST", url, item(ns, nome)))

    async def escrever(self, ns: str, nomes: Iterable[str]) -> float:
        """Patches the status of each; seconds."""
        url = RECURSO.format(ns=ns)

        def escrever(nome: str) -> Awaitable[bytes]:
            corpo = {"status": {**STATUS, "sku": nome}}
            # As the operator: to take fields over from another manager costs the API server half as much again.
            quem = "fieldManager=reservaestoque-operador"
            return self.pedir("PATCH", f"{url}/{nome}/status?{quem}", corpo, "application/merge-patch+json")

        return await todos(nomes, escrever)

    async def motivos(self, ns: str) -> dict[str, int]:
        """How many StockItems of a namespace bear each reason of Synced."""
        contagem: dict[str, int] = {}
        continuar = ""
        while True:
            lista = json.loads(await self.pedir("GET", f"{RECURSO.format(ns=ns)}?limit=2000&continue={continuar}"))
            for objeto in lista["items"]:
                condicoes = {c["type"]: c["reason"] for c in objeto.get("status", {}).get("conditions", [])}
                motivo = condicoes.get("Synced", "-")
                contagem[motivo] = contagem.get(motivo, 0) + 1
            continuar = lista["metadata"].get("continue", "")
            if not continuar:
                return contagem


async def todos(nomes: Iterable[str], fazer: Callable[[str], Awaitable[Any]]) -> float:
    """Does it for all names, `CONEXOES` at a time; seconds."""
    inicio, resta = time.monotonic(), iter(nomes)

    async def trabalhar() -> None:
        for nome in resta:
            await fazer(nome)

    await asyncio.gather(*(trabalhar() for _ in range(CONEXOES)))
    return time.monotonic() - inicio


def item(ns: str, nome: str) -> dict[str, Any]:
    """A StockItem."""
    return {
        "apiVersion": "reservaestoque.dev/v1",
        "kind": "StockItem",
        "metadata": {"name": nome, "namespace": ns},
        "spec": {"name": f"Produto {nome}", "quantity": 100},
    }


class Operador:
    """The operator as a process to be measured."""

    def __init__(self, sistema: System) -> None:
        self._sistema = sistema
        self._porta = sistema.program_url("operator")

    def parar(self) -> None:
        """Stops it."""
        self._sistema.stop("operator")

    async def comecar(self) -> float:
        """Starts it without waiting for readiness; the instant."""
        inicio = time.monotonic()
        await asyncio.to_thread(self._sistema.start, "operator")
        return inicio

    def memoria(self) -> tuple[float, float]:
        """Resident now and at most so far, in MiB."""
        texto = Path(f"/proc/{self._sistema.states()['operator'].pid}/status").read_text()
        campos = dict(linha.split(":", 1) for linha in texto.splitlines())
        return tuple(int(campos[c].split()[0]) / 1024 for c in ("VmRSS", "VmHWM"))  # type: ignore[return-value]

    def cpu(self) -> float:
        """Seconds of CPU since its start."""
        campos = Path(f"/proc/{self._sistema.states()['operator'].pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(campos[11]) + int(campos[12])) / 100

    async def metrica(self, nome: str) -> float:
        """A metric of it, 0 while it does not answer."""
        try:
            async with aiohttp.ClientSession() as http, http.get(f"{self._porta}/metrics") as resposta:
                linhas = (await resposta.text()).splitlines()
        except aiohttp.ClientError:
            return 0.0
        return sum(float(linha.rsplit(" ", 1)[1]) for linha in linhas if linha.startswith((f"{nome} ", f"{nome}{{")))

    async def ate(self, nome: str, valor: float, *, segundos: float) -> float:
        """Waits until a metric has this value; the instant. Raises TimeoutError."""
        fim = time.monotonic() + segundos
        while await self.metrica(nome) < valor:
            if time.monotonic() > fim:
                raise TimeoutError(f"{nome} is {await self.metrica(nome)}, not {valor}")
            await asyncio.sleep(0.25)
        return time.monotonic()


def amostra(sistema: System) -> Amostra:
    """CPU so far of the whole system and of this process."""
    partes = {nome: estado.pid for nome, estado in sistema.states().items() if estado.pid}
    return amostrar(partes, {"bench": os.getpid()})


def gasto_desde(sistema: System, antes: Amostra, n: int) -> tuple[float, str]:
    """Milliseconds of CPU an object, and where they went: they tell the same when others use the machine too."""
    por_nome = {nome: 1000 * segundos / n for nome, segundos in gastos(antes, amostra(sistema)).items()}
    del por_nome[OUTROS]
    detalhe = ", ".join(f"{nome} {ms:.2f}" for nome, ms in por_nome.items() if round(ms, 2))
    return sum(por_nome.values()), detalhe


async def taxa(sistema: System, api: Api, operador: Operador, n: int) -> None:
    """Rates: raw, backlog, live."""
    operador.parar()
    nomes = [f"fila-{i:06}" for i in range(n)]
    criacao = await api.criar("fila", nomes)
    antes = amostra(sistema)
    crua = n / await api.escrever("fila", nomes)
    gasto_cru, onde = gasto_desde(sistema, antes, n)
    print(
        f"raw: {n} creates at {n / criacao:.0f}/s, {n} status patches at {crua:.0f}/s, "
        f"{gasto_cru:.2f} ms of CPU each ({onde})",
        flush=True,
    )

    antes, inicio = amostra(sistema), time.monotonic()
    comecar = asyncio.create_task(operador.comecar())
    fim = await operador.ate("operador_status_escritos_total", n, segundos=600)
    await comecar
    tempo = fim - inicio
    gasto, onde = gasto_desde(sistema, antes, n)
    conferido(await api.motivos("fila"), n)
    print(
        f"backlog: {n} in {tempo:.1f} s from exec, {n / tempo:.0f}/s = {n / tempo / crua:.2f} of raw; "
        f"{gasto:.2f} ms of CPU each ({onde}) = {gasto_cru / gasto:.2f} of raw; "
        f"operator's CPU {operador.cpu():.1f} s; memory {operador.memoria()}",
        flush=True,
    )
    escritos, cpu = await operador.metrica("operador_status_escritos_total"), operador.cpu()
    antes = amostra(sistema)
    inicio = time.monotonic()
    criacao = await api.criar("viva", [f"viva-{i:06}" for i in range(n)])
    fim = await operador.ate("operador_status_escritos_total", escritos + n, segundos=600)
    tempo = fim - inicio
    gasto, onde = gasto_desde(sistema, antes, n)
    conferido(await api.motivos("viva"), n)
    print(
        f"live: {n} created in {criacao:.1f} s, all Synced in {tempo:.1f} s, {n / tempo:.0f}/s; "
        f"{gasto:.2f} ms of CPU each ({onde}); "
        f"operator's CPU {operador.cpu() - cpu:.1f} s; memory {operador.memoria()}; "
        f"Events {await operador.metrica('operador_eventos_total'):.0f}",
        flush=True,
    )


def conferido(motivos: dict[str, int], n: int) -> None:
    """Raises RuntimeError unless all are Synced."""
    if motivos != {"Synced": n}:
        raise RuntimeError(f"not all are Synced: {motivos}")


async def memoria(api: Api, operador: Operador, quantos: list[int]) -> None:
    """The operator's memory at each number of StockItems: after they were created, and after a restart."""
    ha = sum([sum((await api.motivos(ns)).values()) for ns in ("fila", "viva")])
    for n in quantos:
        antes = await operador.metrica("operador_status_escritos_total")
        novos = max(n - ha, 0)
        inicio = time.monotonic()
        await api.criar("muitos", [f"muitos-{i:06}" for i in range(ha, n)])
        fim = await operador.ate("operador_status_escritos_total", antes + novos, segundos=1800)
        ha = max(ha, n)
        print(
            f"memory: {novos} more Synced in {fim - inicio:.0f} s; {ha} are known: {operador.memoria()}", flush=True
        )
        operador.parar()
        inicio = await operador.comecar()
        cheio, cpu = time.monotonic() - inicio, operador.cpu()
        logo = operador.memoria()
        await asyncio.sleep(30)
        print(
            f"memory: restarted with {ha}: ready in {cheio:.1f} s (CPU {cpu:.1f} s), {logo}, 30 s later "
            f"{operador.memoria()}; status writes "
            f"{await operador.metrica('operador_status_escritos_total'):.0f}",
            flush=True,
        )


async def medir(sistema: System, itens: int, quantos: list[int]) -> None:
    """All measurements."""
    for ns in ("fila", "viva", "muitos"):
        sistema.kubectl("create", "namespace", ns)
    api, operador = Api(sistema), Operador(sistema)
    try:
        if itens:
            await taxa(sistema, api, operador, itens)
        await memoria(api, operador, quantos)
    finally:
        await api.fechar()


def main() -> None:
    """Starts a system of its own, measures, stops it."""
    ler = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ler.add_argument("--itens", type=int, default=10_000)
    ler.add_argument("--memoria", type=int, nargs="*", default=[])
    pedido = ler.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="bancada-") as pasta,
        System(Config(state=Path(pasta), ports=Ports.free(), parts={"operator"})) as sistema,
    ):
        asyncio.run(medir(sistema, pedido.itens, pedido.memoria))


if __name__ == "__main__":
    main()
