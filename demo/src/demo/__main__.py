"""``python -m demo``: exits with 0 if all checks pass, 1 if any fails, 2 if the sale could not take place."""

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from demo.journal import Journal
from demo.plan import FAST, FULL, Sale, sale
from demo.screen import Screen, account, save
from demo.stage import Stage, counting_retries, faults_of, stock_item
from demo.texts import Texts
from demo.world import Cluster, Local, World, WorldError
from local_system import Config, LocalSystemError, System
from reserva import AsyncReserva, ForbiddenError, ReservaError, Retry, UnauthenticatedError, operations
from reserva.cli.language import choose

_CLIENTS = 24
_PICTURE_AT = 0.6
_PATIENCE = Retry(deadline=90, attempts=60, longest=3)
"""Retries during the sale, while parts are killed."""
_FIRST_CONTACT = Retry(deadline=10)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one sale; returns the exit code."""
    arguments = parser().parse_args(argv)
    text = Texts(arguments.idioma or choose([], os.environ))
    size = FAST if arguments.fast else FULL
    planned = sale(arguments.seed, replace(size, shoppers=arguments.shoppers) if arguments.shoppers else size)
    if arguments.manifest:
        print(json.dumps({"apiVersion": "v1", "kind": "List", "items": [stock_item(*one) for one in planned.units]}))
        return 0
    console, world = Console(highlight=False), None
    try:
        world = _world(arguments, planned, text, console)
        code = asyncio.run(_interruptible(_run(world, planned, text, console, arguments.pictures), text))
    except (WorldError, LocalSystemError, ReservaError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        code = 130
    if isinstance(world, Local):
        console.print(text("left_running", ttl=planned.size.ttl), soft_wrap=True)
    return code


def parser() -> argparse.ArgumentParser:
    """The command-line parser."""
    parser = argparse.ArgumentParser(prog="python -m demo", description="A flash sale during which parts are killed.")
    parser.add_argument("--seed", type=int, default=7, metavar="N", help="the same seed gives the same sale (7)")
    parser.add_argument("--fast", action="store_true", help="half a minute")
    parser.add_argument("--shoppers", type=_positive, metavar="N", help="number of shoppers (5000; 800 with --fast)")
    parser.add_argument("--gateway", metavar="URL", help="another system; with KUBECONFIG its pods are deleted")
    parser.add_argument("--namespace", default="reserva-estoque", help="namespace of that system (reserva-estoque)")
    parser.add_argument("--idioma", choices=("pt", "en"), help="language (LC_ALL, LANG)")
    parser.add_argument("--pictures", metavar="PREFIX", help="write PREFIX.svg and PREFIX-account.svg")
    parser.add_argument("--manifest", action="store_true", help="print the StockItems and exit")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _world(arguments: argparse.Namespace, planned: Sale, text: Texts, console: Console) -> World:
    if arguments.gateway:
        return Cluster(arguments.gateway, os.environ.get("KUBECONFIG") or None, arguments.namespace)
    return Local(_local_system(planned, text, console))


def _local_system(planned: Sale, text: Texts, console: Console) -> System:
    """The local system with at least two replicas of each service, and reservations that lapse during the sale."""
    config = Config.from_environ()
    ttl = planned.size.ttl
    replicas = {name: max(2, config.replicas.get(name, 1)) for name in ("pedidos", "estoque")}
    system = System(replace(config, replicas=replicas, settings={**config.settings, "RESERVA_TTL": f"{ttl}s"}))
    console.print(text("starting", ttl=ttl))
    system.up()
    return system


async def _interruptible(sale: Coroutine[Any, Any, int], text: Texts) -> int:
    """Reports at once that an interruption takes a while: it waits for parts being restarted."""
    try:
        return await sale
    except asyncio.CancelledError:
        print(text("interrupted"), file=sys.stderr)
        raise


async def _draw(screen: Screen, planned: Sale, prefix: str) -> None:
    """Writes the picture of the sale at a busy moment."""
    await asyncio.sleep(planned.size.seconds * _PICTURE_AT)
    save(screen.picture(), Path(f"{prefix}.svg"))


async def _first_contact(world: World, planned: Sale, text: Texts) -> None:
    """Reports a wrong address or token now. Raises WorldError, ReservaError."""
    try:
        async with AsyncReserva(world.gateway_url, token=world.token, retry=_FIRST_CONTACT) as client:
            await client.consulta(planned.skus)
            await client.run(operations.pedidos("demo", limit=1))
    except (UnauthenticatedError, ForbiddenError) as error:
        raise WorldError(text("token", error=error)) from error
    except ValueError as error:
        raise WorldError(str(error)) from error


async def _run(world: World, planned: Sale, text: Texts, console: Console, pictures: str | None) -> int:
    journal = Journal(time.monotonic)
    token = world.token
    await _first_contact(world, planned, text)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(counting_retries(journal))
        clients = [AsyncReserva(world.gateway_url, token=token, retry=_PATIENCE) for _ in range(_CLIENTS)]
        for client in clients:
            await stack.enter_async_context(client)
        stage = Stage(world, planned, clients, journal, text)
        with Screen(text, planned, journal, world.gateway_url, console) as screen:
            await stage.declare()
            drawing = asyncio.create_task(_draw(screen, planned, pictures)) if pictures else None
            await stage.play()
            result, verdict = await stage.account()
            if drawing is not None:
                await drawing
    faults = faults_of(result, verdict, journal)
    shown = account(text, result, journal, verdict, faults)
    console.print(shown)
    if pictures:
        save(shown, Path(f"{pictures}-account.svg"))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
