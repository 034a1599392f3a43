"""Thrift's binary protocol: what its own library has written, in any pieces, and what nobody may send."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlengine.errors import ProtocolViolation
from sqlengine.server.hive import thrift
from sqlengine.server.hive.thrift import Call, Decoder, number_of, struct_of, text_of, texts_of
from tests.depth import rounds

ttypes = pytest.importorskip("TCLIService.ttypes", reason="HIVE'S THRIFT IS NOT TESTED: pyhive is not installed")
LONGEST = 10_000


def written(method: str, request: Any, sequence: int = 0) -> bytes:
    """A call as Thrift's library sends it."""
    from thrift.protocol.TBinaryProtocol import TBinaryProtocol
    from thrift.Thrift import TMessageType, TType
    from thrift.transport.TTransport import TMemoryBuffer

    buffer = TMemoryBuffer()
    out = TBinaryProtocol(buffer)
    out.writeMessageBegin(method, TMessageType.CALL, sequence)
    out.writeFieldBegin("req", TType.STRUCT, 1)
    request.write(out)
    out.writeFieldStop()
    return bytes(buffer.getvalue())


def opening() -> bytes:
    """An OpenSession with all its fields."""
    request = ttypes.TOpenSessionReq(
        client_protocol=5, username="Ärger", password="x", configuration={"a.b": "1", "c.d": ""}
    )
    return written("OpenSession", request, 41)


def execution() -> bytes:
    """An ExecuteStatement with all its fields."""
    identifier = ttypes.THandleIdentifier(b"\x00" * 16, b"\xff" * 16)
    request = ttypes.TExecuteStatementReq(
        ttypes.TSessionHandle(identifier), "SELECT 1", {"k": "v"}, runAsync=True, queryTimeout=2**40
    )
    return written("ExecuteStatement", request, -3)


def calls(pieces: list[bytes]) -> list[Call]:
    """Those that a decoder finds in bytes that come in pieces."""
    decoder = Decoder(LONGEST)
    found = []
    for piece in pieces:
        decoder.feed(piece)
        while (call := decoder.next()) is not None:
            found.append(call)
    assert decoder.pending == 0
    return found


@settings(max_examples=rounds(40, 100), deadline=None)
@given(st.data())
def test_messages_in_any_pieces(data: Any) -> None:
    whole = opening() + execution() + opening()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=20)))
    first, second, third = calls([whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)])])
    assert first == third and (first.name, first.sequence) == ("OpenSession", 41)
    fields = struct_of(first.fields, 1)
    assert (number_of(fields, 1), text_of(fields, 2), text_of(fields, 3)) == (5, "Ärger", "x")
    assert texts_of(fields, 4) == {"a.b": "1", "c.d": ""}
    assert (second.name, second.sequence) == ("ExecuteStatement", -3)
    fields = struct_of(second.fields, 1)
    assert struct_of(struct_of(fields, 1), 1) == {1: b"\x00" * 16, 2: b"\xff" * 16}
    assert (text_of(fields, 2), fields[4], number_of(fields, 5)) == ("SELECT 1", True, 2**40)


def test_fields_of_another_type_are_absent() -> None:
    fields = {1: b"text", 2: 7, 3: [], 4: {1: 1}}
    assert (number_of(fields, 1, -1), text_of(fields, 2), struct_of(fields, 3), texts_of(fields, 4)) == (
        -1,
        None,
        {},
        {},
    )
    assert (text_of(fields, 9), number_of(fields, 9)) == (None, 0)


@pytest.mark.parametrize("data", [b"\xff", b"a\0b"])
def test_texts_that_cannot_be(data: bytes) -> None:
    with pytest.raises(ProtocolViolation) as raised:
        text_of({1: data}, 1)
    assert raised.value.sqlstate == "22021"


HEAD = b"\x80\x01\x00\x01" + struct.pack(">I", 1) + b"M" + struct.pack(">i", 0)
NESTED = b"".join(b"\x0c\x00\x01" for _ in range(40))
WRONG = {
    "another version": b"\x80\x02\x00\x01",
    "no version": b"\x00\x00\x00\x0bOpenSession",
    "a reply": b"\x80\x01\x00\x02",
    "a name that is too long": b"\x80\x01\x00\x01\x00\x01\x00\x00",
    "a name of less than nothing": b"\x80\x01\x00\x01\xff\xff\xff\xff",
    "no such type": HEAD + b"\x05\x00\x01",
    "a text of less than nothing": HEAD + b"\x0b\x00\x01\xff\xff\xff\xff",
    "a text longer than the message may be": HEAD + b"\x0b\x00\x01\x7f\xff\xff\xff",
    "a list of less than nothing": HEAD + b"\x0f\x00\x01\x08\xff\xff\xff\xff",
    "a list of too much": HEAD + b"\x0f\x00\x01\x08\x7f\xff\xff\xff",
    "a map of too much": HEAD + b"\x0d\x00\x01\x0b\x0b\x7f\xff\xff\xff",
    "nested too deeply": HEAD + NESTED,
    "lists in lists": HEAD + b"\x0f\x00\x01" + b"\x0f\x00\x00\x00\x01" * 40,
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_message(name: str) -> None:
    decoder = Decoder(LONGEST)
    decoder.feed(WRONG[name])
    with pytest.raises(ProtocolViolation):
        while decoder.next() is not None:
            raise AssertionError("a message")


def test_a_message_that_is_too_long() -> None:
    decoder = Decoder(100)
    decoder.feed(HEAD + b"\x0b\x00\x01" + struct.pack(">i", 81))
    with pytest.raises(ProtocolViolation, match="too long"):
        decoder.next()
    decoder = Decoder(100)
    decoder.feed(HEAD + (b"\x02\x00\x01\x01" * 100))
    with pytest.raises(ProtocolViolation, match="too long"):
        decoder.next()


def test_containers_count_together() -> None:
    many = b"\x0f\x00\x01\x02" + struct.pack(">i", 60_000) + b"\0" * 60_000
    decoder = Decoder(1_000_000)
    decoder.feed(HEAD + many + many)
    with pytest.raises(ProtocolViolation, match="too many values"):
        decoder.next()


def test_refusals_are_read_by_the_library() -> None:
    from thrift.protocol.TBinaryProtocol import TBinaryProtocol
    from thrift.Thrift import TApplicationException
    from thrift.transport.TTransport import TMemoryBuffer

    protocol = TBinaryProtocol(TMemoryBuffer(thrift.refusal(Call("M", 9, {}), thrift.UNKNOWN_METHOD, "nö")))
    assert protocol.readMessageBegin() == ("M", 3, 9)
    error = TApplicationException()
    error.read(protocol)
    assert (error.type, error.message) == (TApplicationException.UNKNOWN_METHOD, "nö")
