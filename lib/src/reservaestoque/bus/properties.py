"""Accepts messages with unreadable properties. Consumers need only the body, which is readable.

The client libraries raise errors for some properties that a broker accepts:

- pamqp, for a time after the year 9999, a header name that is not UTF-8, and tables nested too deeply. That ends the
  connection; the message is redelivered and ends the next one. One such message stopped all consumers of a queue for
  a minute, until the broker gave up on it (DELIVERY_LIMIT).
- aio-pika, for a delivery mode that does not exist. The message is then neither delivered nor acknowledged, and
  PREFETCH such messages stop a consumer for good.
"""

import struct

from aio_pika import DeliveryMode
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from reservaestoque.telemetry import logger

_UNREADABLE = (struct.error, ValueError, OverflowError, OSError, RecursionError)
_HEAD_BYTES = 12
"""Class, weight and body size, which precede the properties."""
_MODES = (None, *DeliveryMode)

_log = logger(__name__)
_read = ContentHeader.unmarshal


def _read_leniently(header: ContentHeader, data: bytes) -> None:
    """Reads a message's header, omitting unreadable properties.

    Raises struct.error if even the body size is missing.
    """
    try:
        _read(header, data)
    except _UNREADABLE as fault:
        if len(data) < _HEAD_BYTES:
            raise
        header.properties = Basic.Properties()
        _log.warning("message_properties_unreadable", fault=repr(fault))
    if header.properties.delivery_mode not in _MODES:
        header.properties.delivery_mode = None


def tolerate_unreadable_properties() -> None:
    """Makes pamqp read headers leniently from now on, in this process."""
    ContentHeader.unmarshal = _read_leniently  # type: ignore[method-assign, assignment]
