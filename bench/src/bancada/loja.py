"""The system under test: filled, emptied, waited for, checked."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path

import httpx

from bancada.distribuicao import SKUS, pedidos
from local_system import System, postgres, programs
from local_system.config import REPLICATED

SQL = Path(__file__).with_name("sql")
UNIDADES = 1_000_000_000
CORPOS = 50_000


class BancadaError(Exception):
    """The bench cannot go on; a sentence for a person."""


class Loja:
    """A running local system with a folder for what a run needs."""

    def __init__(self, system: System, folder: Path) -> None:
        self.system = system
        self.observar: Callable[[], AbstractContextManager[None]] = nullcontext  # who else watches each measurement
        # One for all, since making one takes tens of milliseconds; programs restart, so connections are not kept.
        self.http = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def sql(self, banco: str, arquivo: str, antes: str = "", **variaveis: object) -> str:
        """Runs a file of `sql/` as the superuser, after `antes`; what it printed."""
        sets = "".join(f"\\set {nome} {valor}\n" for nome, valor in variaveis.items())
        return self.psql(banco, f"{sets}{antes}\n{(SQL / f'{arquivo}.sql').read_text()}")

    def psql(self, banco: str, script: str, segundos: float = 1800) -> str:
        """Runs a script as the superuser, for as long as a large one may take."""
        port: int = getattr(self.system.layout.ports, f"postgres_{banco}")
        return postgres.psql(self.system.layout, banco, port, script, segundos).strip()

    def esvaziar(self, *, skus: int = SKUS, do_quente: int | None = None) -> None:
        """No orders, `skus` SKUs full of units; SKU 1 has `do_quente` of them. Nothing is under way after it."""
        quente = UNIDADES if do_quente is None else do_quente
        self.sql("pedidos", "esvaziar_pedidos")
        self.sql("estoque", "esvaziar_estoque", skus=skus, unidades=UNIDADES, do_quente=quente)
        self.repousar()

    def aquecer(self) -> None:
        """Leaves as many WAL files to be written again as the servers keep, like servers that have run for long."""
        for banco in ("pedidos", "estoque"):
            self.sql(banco, "aquecer")

    def repousar(self) -> None:
        """Checkpoints, so that each measurement begins with as little to be written as the others."""
        for banco in ("pedidos", "estoque"):
            self.psql(banco, "checkpoint;")

    def corpos(self, distribuicao: str, itens: int, skus: int = SKUS) -> Path:
        """A file of order bodies, one a line, always the same."""
        arquivo = self.folder / f"{distribuicao}-{itens}-{skus}.jsonl"
        if not arquivo.exists():
            linhas = (
                json.dumps(pedido, separators=(",", ":")) + "\n" for pedido in pedidos(distribuicao, itens, 5, skus)
            )
            arquivo.write_text("".join(islice(linhas, CORPOS)))
        return arquivo

    def arquivo(self, nome: str) -> Path:
        """A file beside the bodies."""
        return self.folder / nome

    def deixar_prontos(self, quantos: int, corpos: Path) -> None:
        """So many orders in pedidos, committed and not published yet."""
        antes = "create temp table corpo (n bigint generated always as identity, corpo jsonb);\n"
        antes += f"\\copy corpo (corpo) from '{corpos}'\n"
        self.sql("pedidos", "pedidos_prontos", antes, quantos=quantos)

    def reservar(self, quantas: int, *, vencem: int, skus: int) -> None:
        """So many reserved orders of one item each over the first `skus` SKUs, which lapse at `vencem` (epoch)."""
        feitas = round(time.time()) - 3600 - quantas // 1000
        with parada(self.system, "conferir"):  # which would find them in one database only, and be right
            # estoque first: pedidos asks about those that have lapsed as soon as it has them.
            for banco in ("estoque", "pedidos"):
                self.sql(banco, f"reservas_em_{banco}", quantas=quantas, vencem=vencem, skus=skus, feitas=feitas)
        self.repousar()

    def pendentes(self) -> int:
        """Undecided orders, and facts in either outbox."""
        return int(self.sql("pedidos", "pendentes")) + int(self.psql("estoque", "select count(*) from outbox;"))

    def esgotar(self, segundos: float = 600) -> float:
        """Waits until nothing is under way; how many seconds that took. Raises BancadaError after `segundos`."""
        return self.ate(lambda: self.pendentes() == 0, segundos, "orders are still under way")

    def ate(self, condicao: Callable[[], bool], segundos: float, senao: str, *, intervalo: float = 0.5) -> float:
        """Waits until `condicao()` is true, which is asked every `intervalo` seconds; how many seconds that took.

        Raises BancadaError with `senao`.
        """
        inicio = time.monotonic()
        while not condicao():
            if time.monotonic() - inicio > segundos:
                raise BancadaError(f"after {segundos:.0f} s {senao}")
            time.sleep(intervalo)
        return time.monotonic() - inicio

    def conferir(self, *, em_repouso: bool = True) -> str:
        """Proves that nothing was oversold or lost; its summary. Raises BancadaError with the violations."""
        argv = [sys.executable, "-m", "conferir", *(["--at-rest"] if em_repouso else [])]
        env = {**os.environ, **programs.conferir_env(self.system.layout)}
        feito = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
        if feito.returncode:
            raise BancadaError(f"conferir: {(feito.stdout + feito.stderr).strip()[-2000:]}")
        return feito.stdout.strip().splitlines()[-1]

    @contextmanager
    def replicas(self, **quantas: int) -> Iterator[None]:
        """So many processes of a service inside."""
        antes = self.system
        replicas = {**antes.config.replicas, **quantas}
        if replicas == {**dict.fromkeys(REPLICATED, 1), **antes.config.replicas}:
            yield
            return
        self.system = System(replace(antes.config, ports=antes.layout.ports, replicas=replicas))
        try:
            self.system.up()
            yield
        finally:
            self.system = antes
            self.system.up()


@contextmanager
def parada(system: System, programa: str) -> Iterator[None]:
    """All replicas of a program stand still inside; afterwards they start at once."""
    system.stop(programa)
    try:
        yield
    finally:
        replicas = system.names(programa)
        with ThreadPoolExecutor(len(replicas)) as juntas:
            list(juntas.map(system.start, replicas))
