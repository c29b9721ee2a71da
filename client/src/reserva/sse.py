"""An incremental parser of server-sent events (HTML Living Standard, section 9.2). Pure."""

from dataclasses import dataclass

LARGEST_BLOCK = 1 << 20


@dataclass(frozen=True)
class ServerSentEvent:
    """A block of a stream. Without `data` it only advances the position, `id`, or sets the reconnection time,
    `retry`.

    id: of the last block that had one, hence the position after this block. retry: milliseconds.
    """

    name: str
    data: str
    id: str
    retry: int | None = None


class Parser:
    """Parses the bytes of one connection; `id` is the position from which it was opened."""

    def __init__(self, id: str = "") -> None:  # noqa: A002 - the standard's word
        self._id = id
        self._rest = b""
        self._begun = False
        self._data: list[str] = []
        self._event = ""
        self._moved = False
        self._retry: int | None = None

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """The blocks completed by these bytes. As the standard requires, an unfinished block is dropped with its
        parser. Raises ValueError if one is larger than LARGEST_BLOCK.
        """
        data = self._rest + piece
        if not self._begun:
            if len(data) < len(_BYTE_ORDER_MARK) and _BYTE_ORDER_MARK.startswith(data):
                self._rest = data
                return []
            data, self._begun = data.removeprefix(_BYTE_ORDER_MARK), True
        lines = data.replace(b"\r\n", b"\n") if not data.endswith(b"\r") else data[:-1].replace(b"\r\n", b"\n")
        *whole, rest = lines.replace(b"\r", b"\n").split(b"\n")
        self._rest = rest + (b"\r" if data.endswith(b"\r") else b"")
        events = [event for line in whole if (event := self._line(line.decode("utf-8", "replace"))) is not None]
        if len(self._rest) + sum(map(len, self._data)) > LARGEST_BLOCK:
            raise ValueError(f"an event is larger than {LARGEST_BLOCK >> 20} MiB")
        return events

    def _line(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
            self._moved = True
        elif name == "retry" and value.isascii() and value.isdecimal():
            self._retry = int(value[:9])
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        event = ServerSentEvent(self._event or "message", "\n".join(self._data), self._id, self._retry)
        has_effect = bool(self._data) or self._moved or self._retry is not None
        self._clear()
        return event if has_effect else None

    def _clear(self) -> None:
        self._data, self._event, self._moved, self._retry = [], "", False, None


_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
