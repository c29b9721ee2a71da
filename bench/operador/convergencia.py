"""How fast StockItems converge, and what each costs the operator in memory, beside a real API server and PostgreSQL.

    python bench/operador/convergencia.py --itens 10000 --memoria 30000 100000

In one run, on all cores of the machine: (1) raw: a status patch an object, as fast as a bare client can, the
operator stopped; (2) backlog: the operator starts, and as many objects wait for it; (3) live: as many are created
while it runs; (4) raw again, since a shared machine changes its speed: 2 and 3 are compared with the mean of 1 and 4.
All are new, since to patch a status that is there already costs the API server a third more. Then, for each number of
`--memoria`, its resident memory once so many are Synced, and after a restart.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from statistics import mean
from typing import Any

import aiohttp

from bancada.cpu import OUTROS, Amostra, amostrar, gastos
from local_system import Config, Ports, System

CONEXOES = 24
ESCRITOS = "operador_status_escritos_total"
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
            return self.pedir("PATCH", f"{url}/{nome}/status", corpo, "application/merge-patch+json")

        return await todos(nomes, escrever)

    async def apagar(self, ns: str, nomes: Iterable[str]) -> None:
        """Deletes these StockItems for good, without the operator, whose finalizer they may bear."""
        url = RECURSO.format(ns=ns)

        async def apagar(nome: str) -> None:
            sem = {"metadata": {"finalizers": None}}
            await self.pedir("PATCH", f"{url}/{nome}", sem, "application/merge-patch+json")
            await self.pedir("DELETE", f"{url}/{nome}")

        await todos(nomes, apagar)

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
    """Milliseconds of CPU an object, and a phrase that says where: they suffer little when others use the machine."""
    por_nome = {nome: 1000 * segundos / n for nome, segundos in gastos(antes, amostra(sistema)).items()}
    del por_nome[OUTROS]
    detalhe = ", ".join(f"{nome} {ms:.2f}" for nome, ms in por_nome.items() if round(ms, 2))
    total = sum(por_nome.values())
    return total, f"{total:.2f} ms of CPU each ({detalhe})"


async def taxa(sistema: System, api: Api, operador: Operador, n: int) -> None:
    """Rates: raw, backlog, live."""
    operador.parar()
    antes_de_tudo = await crua(sistema, api, n)
    await api.criar("fila", nomes_de("fila", n))
    antes, inicio = amostra(sistema), time.monotonic()
    comecar = asyncio.create_task(operador.comecar())
    fim = await operador.ate(ESCRITOS, n, segundos=600)
    await comecar
    gasto_da_fila = gasto_desde(sistema, antes, n)
    conferido(await api.motivos("fila"), n)
    fila, memoria_da_fila = n / (fim - inicio), operador.memoria()
    escritos, antes, inicio = await operador.metrica(ESCRITOS), amostra(sistema), time.monotonic()
    await api.criar("viva", nomes_de("viva", n))
    fim = await operador.ate(ESCRITOS, escritos + n, segundos=600)
    gasto_da_viva = gasto_desde(sistema, antes, n)
    conferido(await api.motivos("viva"), n)
    viva, memoria_da_viva = n / (fim - inicio), operador.memoria()
    eventos = await operador.metrica("operador_eventos_total")
    operador.parar()
    cria, cru, gasto = map(mean, zip(antes_de_tudo, await crua(sistema, api, n), strict=True))
    ambos = 1 / (1 / cria + 1 / cru)
    print(
        f"backlog: {fila:.0f}/s from exec = {fila / cru:.2f} of raw patches; {gasto_da_fila[1]} "
        f"= {gasto / gasto_da_fila[0]:.2f} of raw; memory {memoria_da_fila}\n"
        f"live: created and Synced at {viva:.0f}/s = {viva / cru:.2f} of raw patches, "
        f"{viva / ambos:.2f} of raw creates and patches ({ambos:.0f}/s); {gasto_da_viva[1]}; "
        f"memory {memoria_da_viva}; Events {eventos:.0f}",
        flush=True,
    )
    await operador.comecar()


async def crua(sistema: System, api: Api, n: int) -> tuple[float, float, float]:
    """What a bare client does without the operator: creates a second, status patches a second, ms of CPU a patch."""
    nomes = nomes_de("crua", n)
    criacao = await api.criar("crua", nomes)
    antes = amostra(sistema)
    escrita = await api.escrever("crua", nomes)
    gasto = gasto_desde(sistema, antes, n)
    await api.apagar("crua", nomes)
    print(
        f"raw: {n} creates at {n / criacao:.0f}/s, {n} status patches at {n / escrita:.0f}/s, {gasto[1]}", flush=True
    )
    return n / criacao, n / escrita, gasto[0]


def nomes_de(ns: str, n: int) -> list[str]:
    """Names of so many StockItems, which are their SKUs."""
    return [f"{ns}-{i:06}" for i in range(n)]


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
    for ns in ("crua", "fila", "viva", "muitos"):
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
