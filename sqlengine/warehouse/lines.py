"""The lines of a text file: decompressed by the file's suffix, cut as Hadoop's line reader does, header and footer left
out, in chunks of whole lines.

A line ends with a newline, a return, or both; a last line without an end is one.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from sqlengine.errors import DataCorrupted, FileUnavailable
from sqlengine.formats.records import Bytes, Offsets
from sqlengine.quick_dataclass import dataclass

CHUNK_BYTES = 16 << 20
_NEWLINE, _RETURN = 10, 13
_STREAMS = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".zstd": "zstd"}
_BLOCKS = {".snappy": "snappy", ".lz4": "lz4_raw"}


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines: `data`, whose first byte is at `offset` of the (decompressed) file."""

    data: bytes
    offset: int


def read_chunks(path: str, *, header: int = 0, footer: int = 0, encoding: str = "utf-8") -> Iterator[Chunk]:
    """The file without its first `header` and last `footer` lines, in chunks of whole lines; only the last may lack an
    end. Raises FileUnavailable (58P01), DataCorrupted (XX001) for broken compression."""
    kept, offset, to_skip = b"", 0, header
    pieces = _recoded(_pieces(path), encoding)
    for piece in pieces:
        kept += piece
        at = 0
        while to_skip and (end := _line_end(kept, at)) is not None:
            at, to_skip = end, to_skip - 1
        ready = at if to_skip else max(_whole(kept, footer), at)
        if ready > at and not to_skip:
            yield Chunk(kept[at:ready], offset + at)
        kept, offset = kept[ready:], offset + ready
    if to_skip or not kept:
        return
    end = len(kept) if not footer else _without_last(kept, footer)
    if end:
        yield Chunk(kept[:end], offset)


def _line_end(data: bytes, at: int) -> int | None:
    """Where the line that begins at `at` has ended, None when that cannot be told yet."""
    newline, turn = data.find(b"\n", at), data.find(b"\r", at)
    if turn >= 0 and (newline < 0 or turn < newline):
        if turn + 1 == len(data):
            return None
        return turn + 2 if data[turn + 1] == _NEWLINE else turn + 1
    return newline + 1 if newline >= 0 else None


def _whole(data: bytes, footer: int) -> int:
    """Length of the whole lines that are certainly none of the last `footer`."""
    if footer:
        ends = line_ends(np.frombuffer(data, np.uint8)[:-1] if data.endswith(b"\r") else np.frombuffer(data, np.uint8))
        return int(ends.following[-footer - 1]) if len(ends.following) > footer else 0
    newline = data.rfind(b"\n") + 1
    turn = data.rfind(b"\r", newline, len(data) - 1) + 1
    return max(newline, turn)


def _without_last(data: bytes, footer: int) -> int:
    """Length of all but the last `footer` lines, the last of which may lack an end."""
    following = line_ends(np.frombuffer(data, np.uint8)).following
    lines = len(following) + (not len(following) or int(following[-1]) < len(data))
    return int(following[lines - footer - 1]) if lines > footer else 0


@dataclass(frozen=True, slots=True)
class Ends:
    """Of each line that ends in the data: `at`, where its end mark begins; `following`, where the next line begins."""

    at: Offsets
    following: Offsets


def line_ends(data: Bytes) -> Ends:
    """All line ends."""
    newlines = np.flatnonzero(data == _NEWLINE)
    returns = np.flatnonzero(data == _RETURN)
    if not len(returns):
        return Ends(newlines, newlines + 1)
    paired = (returns + 1 < len(data)) & (data[np.minimum(returns + 1, len(data) - 1)] == _NEWLINE)
    behind_return = np.isin(newlines, returns[paired] + 1, assume_unique=True)
    at = np.concatenate([newlines[~behind_return], returns])
    following = np.concatenate([newlines[~behind_return] + 1, returns + 1 + paired])
    order = np.argsort(at, kind="stable")
    return Ends(at[order], following[order])


# ---------------------------------------------------------------- bytes


def _pieces(path: str) -> Iterator[bytes]:
    """The file's bytes, decompressed."""
    suffix = path[path.rfind(".") :].lower() if "." in path.rpartition("/")[2] else ""
    try:
        raw = pa.OSFile(path)
    except OSError as error:
        raise FileUnavailable(f'could not open file "{path}": {error.strerror or error}'.lower()) from None
    with raw:
        try:
            if suffix in _BLOCKS:
                yield from _blocks(raw, _BLOCKS[suffix])
            elif suffix == ".deflate":
                yield from _deflated(raw)
            else:
                stream = pa.CompressedInputStream(raw, _STREAMS[suffix]) if suffix in _STREAMS else raw
                while data := stream.read(CHUNK_BYTES):
                    yield data
        except (OSError, pa.ArrowInvalid, zlib.error, EOFError) as error:
            raise DataCorrupted(f'file "{path}" is not valid {suffix.lstrip(".") or "data"}: {error}') from None


def _deflated(raw: Any) -> Iterator[bytes]:
    """zlib streams one after the other."""
    machine, is_open = zlib.decompressobj(), False
    while data := raw.read(CHUNK_BYTES):
        while data:
            yield machine.decompress(data)
            data, is_open = machine.unused_data, not machine.eof
            if machine.eof:
                machine = zlib.decompressobj()
    if is_open:
        raise EOFError("it ends too early")


def _blocks(raw: Any, codec: str) -> Iterator[bytes]:
    """Hadoop's framing: blocks of a length and compressed parts until the length is reached, each with its own
    length in front; numbers are four bytes, the highest first."""
    machine = pa.Codec(codec)
    while head := raw.read(4):
        wanted = int.from_bytes(head, "big")
        made = 0
        while made < wanted:
            size = int.from_bytes(_exactly(raw, 4), "big")
            part = _exactly(raw, size)
            room = _snappy_size(part) if codec == "snappy" else wanted - made
            plain = machine.decompress(part, decompressed_size=room, asbytes=True)
            made += len(plain)
            yield plain


def _exactly(raw: Any, size: int) -> bytes:
    data: bytes = raw.read(size)
    if len(data) < size:
        raise EOFError("it ends too early")
    return data


def _snappy_size(part: bytes) -> int:
    """The length that stands in front of compressed data: seven bits a byte, the lowest first."""
    size = 0
    for place, byte in enumerate(part[:5]):
        size |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return size
    raise EOFError("a length is damaged")


def _recoded(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """From another encoding to UTF-8."""
    if codecs.lookup(encoding).name == "utf-8":
        yield from pieces
        return
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for piece in pieces:
        yield decoder.decode(piece).encode()
    yield decoder.decode(b"", final=True).encode()
