"""A message's header is read whatever its properties: brokers accept some that no client library can parse."""

import struct

import pytest
from fuzz.garbage import UNREADABLE
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from reservaestoque.bus.properties import tolerate_unreadable_properties


def read(properties: bytes) -> ContentHeader:
    tolerate_unreadable_properties()
    header = ContentHeader()
    header.unmarshal(struct.pack(">HHQ", Basic.frame_id, 0, 7) + properties)
    return header


@pytest.mark.parametrize("raw", UNREADABLE, ids=range(len(UNREADABLE)))
def test_unreadable_properties_are_left_out(raw: bytes):
    header = read(raw)
    assert header.body_size == 7
    assert header.properties.timestamp is None or header.properties.timestamp.year > 9000
    assert not header.properties.headers or set(header.properties.headers) == {"a"}


def test_readable_properties_are_kept():
    properties = Basic.Properties(headers={"x-reason": "none"}, delivery_mode=2, message_id="a")
    header = read(properties.marshal())
    assert (header.properties.headers, header.properties.delivery_mode) == ({"x-reason": "none"}, 2)
    assert header.properties.message_id == "a"


@pytest.mark.parametrize("mode", [0, 3, 255])
def test_an_invalid_delivery_mode_is_read_as_none(mode: int):
    """aio-pika raises an error for it and never delivers the message."""
    assert read(struct.pack(">HB", Basic.Properties.flags["delivery_mode"], mode)).properties.delivery_mode is None


def test_a_truncated_header_is_an_error():
    with pytest.raises(struct.error):
        ContentHeader().unmarshal(b"\x00")
