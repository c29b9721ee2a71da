"""`pedir`, `fechar`, `cancelar`, `renovar`, `pedido`, `pedidos`, `seguir`."""

from collections.abc import Callable
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID, uuid4

import click

from reserva.cli import exit_codes, screen
from reserva.cli.commands import Command
from reserva.cli.completion import orders_of_customer, skus
from reserva.cli.exit_codes import ExitCode
from reserva.cli.language import Texts
from reserva.cli.output import Output
from reserva.cli.params import DEFAULT_WAIT, ChoiceType, ItemType, KeyType, NumberType, OrderType, WaitType
from reserva.cli.settings import Settings, customer_option, settings_of
from reserva.errors import ReservaError
from reserva.sync import Reserva
from reserva.types import Item, Pedido, Status

_LISTED = 20
_METHODS = {"fechar": Reserva.fechar, "cancelar": Reserva.cancelar, "renovar": Reserva.reservar}


def commands(text: Texts) -> list[click.Command]:
    """The commands about orders."""
    order = click.Argument(
        ["orders"],
        nargs=-1,
        required=True,
        type=OrderType(text),
        metavar="PEDIDO...",
        shell_complete=orders_of_customer,
    )
    waiting: list[click.Parameter] = [
        click.Option(
            ["--esperar", "wait"], type=WaitType(text), metavar="[N]", help=text("help.wait", default=DEFAULT_WAIT)
        ),
        click.Option(["--chave", "key"], type=KeyType(text), metavar="CHAVE", help=text("help.key")),
    ]
    return [
        _place_command(text, waiting),
        *(
            Command(text, name, click.pass_context(partial(_command, name=name)), [order, *waiting])
            for name in _METHODS
        ),
        Command(text, "pedido", click.pass_context(_show), [order]),
        _list_command(text),
        _follow_command(text),
    ]


def _place_command(text: Texts, waiting: list[click.Parameter]) -> Command:
    items = click.Argument(
        ["items"],
        nargs=-1,
        required=True,
        type=ItemType(text),
        metavar="SKU=N...",
        shell_complete=partial(skus, suffix="="),
    )
    return Command(text, "pedir", click.pass_context(_place), [items, customer_option(text), *waiting])


def _list_command(text: Texts) -> Command:
    return Command(
        text,
        "pedidos",
        click.pass_context(_list_orders),
        [
            customer_option(text),
            click.Option(["--todos", "all_customers"], is_flag=True, help=text("pedidos.all")),
            click.Option(
                ["--status", "status"],
                type=ChoiceType(text, "STATUS", tuple(one.value for one in Status)),
                help=text("pedidos.status"),
            ),
            click.Option(
                ["--limite", "limit"], type=NumberType(text), default=_LISTED, metavar="N", help=text("pedidos.limit")
            ),
        ],
    )


def _follow_command(text: Texts) -> Command:
    order = click.Argument(
        ["order"], required=False, type=OrderType(text), metavar="[PEDIDO]", shell_complete=orders_of_customer
    )
    return Command(
        text,
        "seguir",
        click.pass_context(_follow),
        [
            order,
            customer_option(text),
            click.Option(["--todos", "all_customers"], is_flag=True, help=text("pedidos.all")),
            click.Option(["--desde", "position"], default="", metavar="POSICAO", help=text("seguir.position")),
        ],
    )


def _place(context: click.Context, items: tuple[Item, ...], wait: int | None, key: str | None) -> int:
    settings = settings_of(context)
    output, customer = Output(settings), settings.named_customer()
    key = settings.key = str(uuid4()) if key is None else key
    with settings.client() as client:
        pedido = client.criar(customer, items, wait=wait or 0, idempotency_key=key)
    output.show(pedido, screen.pedido(output.text, pedido))
    return exit_codes.of_pedido(pedido, waited=wait is not None)


def _command(context: click.Context, orders: tuple[UUID, ...], wait: int | None, key: str | None, name: str) -> int:
    settings = settings_of(context)
    chosen = settings.key = str(uuid4()) if key is None else key

    def command(client: Reserva, order: UUID) -> Pedido:
        return _METHODS[name](client, order, wait=wait or 0, idempotency_key=chosen)

    return _each(settings, orders, command, waited=wait is not None)


def _show(context: click.Context, orders: tuple[UUID, ...]) -> int:
    return _each(settings_of(context), orders, Reserva.pedido, waited=False, shown=True)


def _each(
    settings: Settings,
    orders: tuple[UUID, ...],
    act: Callable[[Reserva, UUID], Pedido],
    *,
    waited: bool,
    shown: bool = False,
) -> int:
    """Acts on each order and prints it; a failure does not stop the others. Returns the exit code of the first
    failure.
    """
    output, codes = Output(settings), list[int]()
    with settings.client() as client:
        for order in orders:
            try:
                pedido = act(client, order)
            except ReservaError as error:
                if len(orders) == 1:
                    raise
                output.report_error(error, str(order))
                codes.append(exit_codes.of_error(error))
                continue
            output.show(pedido, screen.pedido(output.text, pedido))
            codes.append(ExitCode.OK if shown else exit_codes.of_pedido(pedido, waited=waited))
    return next(filter(None, codes), ExitCode.OK)


def _list_orders(context: click.Context, all_customers: bool, status: str | None, limit: int) -> int:
    settings = settings_of(context)
    output, customer = Output(settings), None if all_customers else settings.named_customer()
    with settings.client() as client:
        found = islice(client.pedidos(customer, status), limit)
        if output.json:
            for pedido in found:
                output.line(pedido)
        else:
            output.console.print(screen.pedidos(output.text, list(found), output.console.width))
    return ExitCode.OK


def _follow(context: click.Context, order: UUID | None, all_customers: bool, position: str) -> int:
    settings = settings_of(context)
    output, text = Output(settings), settings.text
    if order is None and not all_customers and settings.customer is None:
        raise click.UsageError(text("need.order_or_customer"))
    with settings.client() as client:
        stream: Any = (
            client.follow_pedido(order, position=position)
            if order is not None
            else client.follow_pedidos(None if all_customers else settings.customer, position=position)
        )
        with stream:
            for changed in stream:
                output.show(changed, screen.change(text, changed))
                if isinstance(changed, Pedido) and changed.itens_em_falta and not output.json:
                    output.console.print(screen.lacking(text, changed.itens_em_falta))
    return ExitCode.OK
