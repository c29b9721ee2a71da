"""``python -m fuzz --cases 10000``: requests without and with tokens, then messages; exits with 1 on any failure."""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from shop import database

from fuzz import amqp, rest
from local_system import Config, Ports, System

OPERATIONS = 16
"""The number of operations among which the requests are divided."""


def main() -> int:
    """The exit code."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="requests, and messages")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=["rest", "amqp"])
    arguments = parser.parse_args()
    passed = True
    for jwt in (False, True):
        with (
            tempfile.TemporaryDirectory(prefix="fuzz-") as folder,
            System(Config(state=Path(folder), ports=Ports.free(), parts={"gateway"}, jwt=jwt)) as system,
        ):
            if arguments.only != "amqp":
                asyncio.run(stock(system))
                passed &= requests(system, arguments.cases, arguments.seed)
            if arguments.only != "rest" and not jwt:
                report = asyncio.run(amqp.run(system, count=arguments.cases, seed=arguments.seed))
                print("\n".join(report.lines()))
                passed &= report.passed
    return 0 if passed else 1


def requests(system: System, cases: int, seed: int) -> bool:
    """Whether all answers were correct. Prints their number, and the findings of schemathesis."""
    passed = True
    tokens = {"without tokens": ""}
    if system.config.jwt:
        issuer = system.layout.issuer()
        tokens = {
            "as staff": issuer.token("maria", "estoque:ler pedidos:admin", 86_400),
            "as a customer": issuer.token("ana", "estoque:ler", 86_400),
        }
    examples = max(1, cases // OPERATIONS // len(tokens))
    for who, token in tokens.items():
        for service in ("pedidos", "estoque"):
            report = rest.run(system, service, examples=examples, seed=seed, token=token)
            outcome = "all answers were correct" if report.passed else report.text
            print(f"{report.cases} requests to {service} {who}: {outcome}", flush=True)
            passed &= report.passed
    return passed


async def stock(system: System) -> None:
    """SKUs to order and to query, including those of the documents' examples."""
    async with database(system, "estoque") as pool:
        await pool.execute(
            """insert into estoque (sku, nome, alvo, quantidade, dono)
               select sku, sku, 1000000000, 1000000000, 'fuzz/' || sku
               from unnest(array['CAMISETA-AZUL-M', 'CAFE-ESPECIAL-250G', 'A', 'B', '0', '00']) sku
               on conflict do nothing"""
        )


if __name__ == "__main__":
    sys.exit(main())
