"""Messages as bytes: what is written is read, other bytes are refused, the bytes stay the same in later versions."""

from __future__ import annotations

import dataclasses
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import UnknownVersion
from storage.replication import codec, messages
from storage.replication.codec import KINDS, MalformedMessage, decode, encode

INTEGERS = st.integers(-(2**63), 2**63 - 1)


def values(annotation: Any) -> st.SearchStrategy[Any]:
    """Values of a field's type."""
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return INTEGERS
    if annotation is bytes:
        return st.binary(max_size=40)
    if get_origin(annotation) is tuple:
        return st.lists(values(get_args(annotation)[0]), max_size=4).map(tuple)
    if dataclasses.is_dataclass(annotation):
        return of_class(annotation)
    return st.sampled_from(list(annotation))


def of_class(kind: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    return st.builds(kind, **{field.name: values(hints[field.name]) for field in dataclasses.fields(kind)})


MESSAGES = st.sampled_from(sorted(KINDS.values(), key=lambda kind: kind.__name__)).flatmap(of_class)


def test_every_message_has_a_kind() -> None:
    assert set(get_args(messages.Message)) | {codec.Saved} == set(KINDS.values())


@given(MESSAGES)
def test_what_is_written_is_read(message: Any) -> None:
    read = decode(encode(message))
    assert read == message and type(read) is type(message)


@given(MESSAGES, st.data())
def test_a_part_of_a_message_is_refused(message: Any, data: st.DataObject) -> None:
    encoded = encode(message)
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(MalformedMessage):
        decode(encoded[:cut])
    with pytest.raises(MalformedMessage):
        decode(encoded + b"\0")


@given(st.binary(max_size=200))
def test_other_bytes_are_refused_or_are_a_message(data: bytes) -> None:
    encoded = bytes([codec.VERSION]) + data
    try:
        message = decode(encoded)
    except MalformedMessage as error:
        assert error.sqlstate == "08P01"
    else:
        assert encode(message) == encoded


def test_a_length_beyond_the_data_allocates_nothing() -> None:
    fetched = encode(messages.Fetched(1, 1, 1, 1, 1, 1, ()))
    with pytest.raises(MalformedMessage, match="malformed Fetched"):
        decode(fetched[:-4] + b"\xff\xff\xff\xff")


def test_a_newer_version_is_told_apart() -> None:
    with pytest.raises(UnknownVersion, match="version 2"):
        decode(b"\x02" + encode(messages.Fenced(1, 2, 3))[1:])


def test_what_is_no_message_is_not_written() -> None:
    with pytest.raises(TypeError, match="Tick is not a message"):
        encode(messages.Tick(1))  # type: ignore[arg-type]


GOLDEN = {
    "0104" + "0200000000000000" + "0300000000000000" + "0400000000000000" + "0500000000000000" + "6400000000000000"
    + "ffffffffffffffff" + "5000000000000000" + "4600000000000000":
        messages.Fetch(2, 3, 4, 5, 100, -1, 80, 70),
    "0106" + "0000000000000000" + "0300000000000000" + "0400000000000000" + "0500000000000000" + "4600000000000000"
    + "0000000000000000" + "01000000" + "6400000000000000" + "0200000000000000" + "0300000000000000"
    + "02000000" + "6162":
        messages.Fetched(0, 3, 4, 5, 70, 0, (messages.Entry(100, 2, 3, b"ab"),)),
    "0114" + "0200000000000000" + "0300000000000000" + "0400000000000000" + "0500000000000000":
        messages.Resign(2, 3, 4, 5),
}  # fmt: skip


def test_the_bytes_are_those_of_version_1() -> None:
    for data, message in GOLDEN.items():
        assert encode(message).hex() == data
        assert decode(bytes.fromhex(data)) == message
