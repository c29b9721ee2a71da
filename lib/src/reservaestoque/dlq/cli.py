"""The verbs: list, show, replay, discard."""

import argparse
import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager

from reservaestoque.bus.connection import ANSWER_TIMEOUT, FAULTS, open_connection
from reservaestoque.bus.topology import QUEUES, Queue
from reservaestoque.dlq import screen
from reservaestoque.dlq.box import Box, ForbiddenBoxError, NoSuchBoxError
from reservaestoque.dlq.letter import Choice, Letter
from reservaestoque.tls import ca_file, trusting_amqp

Act = Callable[[Box, Choice, Callable[[Letter], None]], Awaitable[None]]

LIMIT = 100
_EPILOG = f"""\
QUEUE is one of {", ".join(queue.name for queue in QUEUES)}. All given options that choose letters must match;
of several --id or --position, any. Viewing removes nothing. AMQP_URL is the broker's address, AMQP_CA_FILE the
authority that signed its certificate."""


class DlqError(Exception):
    """A failure, described to the user in one sentence."""


class ForbiddenError(DlqError):
    """The letters are those of another program."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb (`list` by default); returns its exit code, 1 when it failed."""
    arguments = parser().parse_args(argv)
    verb: Callable[[argparse.Namespace], Coroutine[None, None, None]] = arguments.verb
    try:
        asyncio.run(verb(arguments))
    except DlqError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; letters not reported as done are unchanged", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(
        prog="python -m reservaestoque.dlq", description="List, replay and discard dead letters.", epilog=_EPILOG
    )
    root.set_defaults(verb=_list, queue=None, limit=LIMIT)
    verbs = root.add_subparsers(metavar="VERB")

    listing = verbs.add_parser("list", help="each dead-letter queue and a line for each letter")
    listing.set_defaults(verb=_list)
    listing.add_argument("--queue", type=_queue, metavar="QUEUE", help="only this queue")
    listing.add_argument(
        "--limit", type=_positive, default=LIMIT, help=f"maximum number of letters per queue ({LIMIT})"
    )

    show = verbs.add_parser("show", help="whole letters, as JSON")
    show.set_defaults(verb=_show)
    replay = verbs.add_parser("replay", help="move letters back into the queue that they came from: all, or some")
    replay.set_defaults(verb=_replay)
    replay.add_argument("--dry-run", action="store_true", help="only list the letters")
    discard = verbs.add_parser("discard", help="remove letters for good")
    discard.set_defaults(verb=_discard)
    discard.add_argument("--all", action="store_true", help="every letter of the queue")
    discard.add_argument("--yes", action="store_true", help="do it")
    for verb in (show, replay, discard):
        _add_filters(verb)
    return root


def _add_filters(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("queue", type=_queue, metavar="QUEUE")
    verb.add_argument("--id", action="append", default=[], metavar="EVENT", help="with this event")
    verb.add_argument("--type", metavar="TYPE", help="with an event of this type")
    verb.add_argument("--reason", metavar="TEXT", help="with this text in the reason")
    verb.add_argument(
        "--position", action="append", default=[], type=_positive, metavar="N", help="its number in the list"
    )


async def _list(arguments: argparse.Namespace) -> None:
    if arguments.queue:
        return await _list_one(arguments.queue, arguments.limit)
    for queue in QUEUES:
        try:
            await _list_one(queue, arguments.limit)
        except ForbiddenError as error:
            print(f"{queue.dead_letters}: {error}")
    return None


async def _list_one(queue: Queue, limit: int) -> None:
    async with _box(queue) as box:
        letters = await box.peek(Choice(), limit)
        print(f"{queue.dead_letters}: {box.count} letter{'' if box.count == 1 else 's'}")
        if letters:
            print(screen.table(letters))
        if box.count > len(letters) == limit:
            print(f"... and {box.count - len(letters)} more; --limit shows them")


async def _show(arguments: argparse.Namespace) -> None:
    async with _box(arguments.queue) as box:
        letters = await box.peek(_choice(arguments))
        _require_match(len(letters), box, arguments)
        print(screen.details(letters))


async def _replay(arguments: argparse.Namespace) -> None:
    if arguments.dry_run:
        await _preview(arguments, "would replay")
    else:
        await _act(arguments, Box.replay, "replayed")


async def _discard(arguments: argparse.Namespace) -> None:
    if _choice(arguments).everything and not arguments.all:
        raise DlqError("specify which letters to discard (--id, --type, --reason, --position), or --all")
    if not arguments.yes:
        count = await _preview(arguments, "would discard")
        raise DlqError(f"nothing was discarded: add --yes to remove {count} for good")
    await _act(arguments, Box.discard, "discarded")


async def _preview(arguments: argparse.Namespace, word: str) -> int:
    """Prints which letters are chosen, and returns how many."""
    async with _box(arguments.queue) as box:
        letters = await box.peek(_choice(arguments))
        _require_match(len(letters), box, arguments)
        for letter in letters:
            print(word, screen.line(letter))
        return len(letters)


async def _act(arguments: argparse.Namespace, act: Act, word: str) -> None:
    """Acts on the chosen letters, printing a line for each as soon as it is done."""
    count = 0

    def done(letter: Letter) -> None:
        nonlocal count
        count += 1
        print(word, screen.line(letter), flush=True)

    async with _box(arguments.queue) as box:
        await act(box, _choice(arguments), done)
        _require_match(count, box, arguments)
    print(f"{count} {word}")


def _require_match(count: int, box: Box, arguments: argparse.Namespace) -> None:
    """Raises DlqError when specific letters were requested and none exist."""
    if not count and not _choice(arguments).everything:
        raise DlqError(f"no such letter among the {box.count} of {arguments.queue.dead_letters}")


def _choice(arguments: argparse.Namespace) -> Choice:
    return Choice(frozenset(arguments.position), frozenset(arguments.id), arguments.type, arguments.reason)


@asynccontextmanager
async def _box(queue: Queue) -> AsyncIterator[Box]:
    """The dead letters of `queue`. Raises DlqError when the queue is missing or the broker cannot be reached."""
    url = _address()
    try:
        async with open_connection(url, "dlq") as connection:
            with connection.deadline(ANSWER_TIMEOUT):
                channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
            yield Box(channel, queue)
    except NoSuchBoxError as error:
        raise DlqError(f"the broker has no queue {error}; pedidos and estoque create it when they connect") from error
    except ForbiddenBoxError as error:
        raise ForbiddenError(
            f"this user of the broker may not read {error}: run it as {queue.consumer}, which owns the letters"
        ) from error
    except FAULTS as fault:
        reason = str(fault) or "it does not answer"
        raise DlqError(
            f"the broker is unreachable or refuses ({reason}); unreported letters are unchanged"
        ) from fault


def _address() -> str:
    """The broker's address, from the environment. Raises DlqError."""
    url, authority = os.environ.get("AMQP_URL", ""), os.environ.get("AMQP_CA_FILE")
    if not re.match(r"amqps?://", url):
        raise DlqError("AMQP_URL is missing or not an amqp://… address")
    try:
        return trusting_amqp(url, ca_file(authority) if authority else None)
    except ValueError as wrong:
        raise DlqError(f"AMQP_URL and AMQP_CA_FILE: {wrong}") from None


def _queue(text: str) -> Queue:
    for queue in QUEUES:
        if text in (queue.name, queue.dead_letters):
            return queue
    known = " and ".join(queue.name for queue in QUEUES)
    raise argparse.ArgumentTypeError(f"there is no queue {text!r}; there are {known}")


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)
