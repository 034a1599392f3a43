"""KeyIndex: composite keys of any Arrow types to dense slots 0, 1, 2, ... in order of first appearance.

Every keyed state (groups, joins, rankings) is arrays indexed by these slots.  NULL is a key value of its own, as in
GROUP BY; who does not want NULL keys (joins) leaves those rows out.  The words of a key are its columns' codec words;
flags for NULLs are appended when the first NULL arrives.  It must not know what is stored per slot: after `compact`
the owner renumbers its arrays by the returned map.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sqlengine.kernels import BytesTable, HashIndex
from sqlengine.state import arrow_buffers as buffers
from sqlengine.state.codec import Codec, IntCodec, flat_codec, zero_nulls
from sqlengine.state.spill import breathe
from sqlengine.types import storage_type

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Column: TypeAlias = "pa.Array | Ints"
"""A key column: an Arrow array of the declared type, or int64 NumPy values of an integer or time type."""

FLAGS_PER_WORD = 63


class KeyIndex:
    """`types`: the Arrow types of the key's columns; no columns at all is one key."""

    def __init__(self, types: Sequence[pa.DataType]) -> None:
        self.types = tuple(types)
        self._codecs: list[Codec] = [codec(t) for t in self.types]
        self._flag_words = 0
        self._table = HashIndex(max(1, self._value_words))

    @property
    def _value_words(self) -> int:
        return sum(c.words for c in self._codecs)

    @property
    def size(self) -> int:
        """Number of keys."""
        return int(self._table.size)

    @property
    def nbytes(self) -> int:
        """Bytes of the table and the dictionaries."""
        return int(self._table.nbytes) + sum(c.nbytes for c in self._codecs)

    def insert(self, columns: Sequence[Column], num_rows: int | None = None) -> Ints:
        """int64[n] slots of the rows' keys; new keys get the next slots.  `num_rows` is needed without columns."""
        return self.insert_words(self.encode(columns, num_rows))

    def find(self, columns: Sequence[Column], num_rows: int | None = None) -> Ints:
        """int64[n] slots of the rows' keys, -1 where absent; changes nothing."""
        words, valids = self._words(columns, add=False)
        if any(v is not None for v in valids) and not self._flag_words:
            slots = np.full(_length(columns, num_rows), -1, dtype=np.int64)
            whole = np.logical_and.reduce([v for v in valids if v is not None])
            slots[whole] = self._table.find(np.ascontiguousarray(self._matrix(words, valids, len(whole))[whole]))
            return slots
        return self._table.find(self._matrix(words, valids, _length(columns, num_rows)))

    def encode(self, columns: Sequence[Column], num_rows: int | None = None) -> Ints:
        """The keys' words, int64[n, width]; column i of an all-integer key without NULLs is word i."""
        words, valids = self._words(columns, add=True)
        if not self._flag_words and any(v is not None for v in valids):
            self._add_flags()
        return self._matrix(words, valids, _length(columns, num_rows))

    def insert_words(self, words: Ints) -> Ints:
        """`insert` of keys already encoded."""
        slots = np.asarray(self._table.insert(words))
        breathe()
        return slots

    def words(self, slots: Ints | None = None) -> Ints:
        """The words of the slots' keys (all keys when None), int64[n, width]."""
        words = np.asarray(self._table.keys() if slots is None else self._table.take(slots))
        breathe()
        return words

    def columns(self, slots: Ints | None = None) -> list[pa.Array]:
        """The key values of the slots (of all when None), one array per column."""
        return self.decode(self.words(slots))

    def decode(self, words: Ints, which: Sequence[int] | None = None) -> list[pa.Array]:
        """The values of encoded keys: all columns, or those at the given positions."""
        wanted = range(len(self._codecs)) if which is None else which
        starts = np.cumsum([0, *(c.words for c in self._codecs)]).tolist()
        out = []
        for i in wanted:
            own = [np.ascontiguousarray(words[:, starts[i] + j]) for j in range(self._codecs[i].words)]
            values = self._codecs[i].decode(own, self._valid(words, i))
            out.append(buffers.wrap(values, self.types[i]))
        return out

    def compact(self, keep: Mask) -> Ints:
        """Keep the slots where `keep` is true, in order; returns old slot -> new slot, -1 when dropped."""
        moved = np.asarray(self._table.compact(keep))
        if any(c.dictionary and c.size > 1024 + 2 * self.size for c in self._codecs):
            self._renew_dictionaries()
        return moved

    def replace_words(self, words: Ints) -> None:
        """Hold exactly these encoded keys (all different, of this index's dictionaries), slots in their order."""
        self._table = HashIndex(self._table.width)
        self._table.insert(words)
        if any(c.dictionary and c.size > 1024 + 2 * self.size for c in self._codecs):
            self._renew_dictionaries()

    def rows(self, slots: Ints) -> pa.Table:
        """The keys of slots as a table with columns `slot`, k0, k1, ..."""
        columns = [pa.array(slots), *self.columns(slots)]
        return pa.table(columns, names=["slot", *(f"k{i}" for i in range(len(self.types)))])

    def snapshot(self) -> pa.Table:
        """The keys by slot as a table with columns `slot`, k0, k1, ..."""
        return self.rows(np.arange(self.size, dtype=np.int64))

    def restore(self, table: pa.Table) -> None:
        """Replace all keys by a snapshot's."""
        self.__init__(self.types)  # type: ignore[misc]
        whole = table.combine_chunks()
        self.insert([_one_chunk(whole.column(f"k{i}"), t) for i, t in enumerate(self.types)], whole.num_rows)

    def _words(self, columns: Sequence[Column], add: bool) -> tuple[list[Ints], list[Mask | None]]:
        """The columns' value words and validities."""
        words: list[Ints] = []
        valids: list[Mask | None] = []
        for column, coder in zip(columns, self._codecs, strict=True):
            if isinstance(column, np.ndarray):
                assert isinstance(coder, IntCodec), "NumPy key columns are for integer and time types"
                words.append(column)
                valids.append(None)
                continue
            column = buffers.plain(column)
            valid = buffers.validity(column)
            words.extend(coder.encode(column, valid, add))
            valids.append(valid)
        return words, valids

    def _matrix(self, words: list[Ints], valids: list[Mask | None], n: int) -> Ints:
        """Value words and NULL flags side by side."""
        if len(words) == 1 and not self._flag_words:
            return np.ascontiguousarray(words[0]).reshape(n, 1)
        matrix = np.empty((n, self._table.width), dtype=np.int64)
        for j, word in enumerate(words):
            matrix[:, j] = word
        matrix[:, len(words) :] = 0
        if self._flag_words:
            for i, valid in enumerate(valids):
                if valid is not None:
                    at = len(words) + i // FLAGS_PER_WORD
                    matrix[:, at] |= np.where(valid, 0, 1 << (i % FLAGS_PER_WORD))
        return matrix

    def _valid(self, words: Ints, i: int) -> Mask | None:
        """The validity of column i in encoded keys."""
        if not self._flag_words:
            return None
        flags = words[:, max(1, self._value_words) - (0 if self._codecs else 1) + i // FLAGS_PER_WORD]
        valid = (flags >> (i % FLAGS_PER_WORD)) & 1 == 0
        return None if valid.all() else valid

    def _add_flags(self) -> None:
        """The first NULL: give every key words of NULL flags."""
        self._flag_words = -(-len(self._codecs) // FLAGS_PER_WORD)
        keys = self._table.keys()
        flags = np.zeros((len(keys), self._flag_words), dtype=np.int64)
        self._table = HashIndex(self._value_words + self._flag_words)
        self._table.insert(np.ascontiguousarray(np.concatenate([keys, flags], axis=1)))

    def _renew_dictionaries(self) -> None:
        """Forget dictionary entries that no key uses any more; slots stay as they are."""
        columns = self.columns()
        fresh = KeyIndex(self.types)
        if self._flag_words:
            fresh._add_flags()
        fresh.insert(columns, self.size)
        self._codecs, self._table = fresh._codecs, fresh._table


def _length(columns: Sequence[Column], num_rows: int | None) -> int:
    if num_rows is not None:
        return num_rows
    assert columns, "num_rows is needed without key columns"
    return len(columns[0])


def _one_chunk(column: pa.ChunkedArray, dtype: pa.DataType) -> pa.Array:
    """A combined column as one array."""
    return column.chunk(0) if column.num_chunks else buffers.null_array(dtype, 0)


class ListCodec(Codec):
    """Lists and maps: the byte string of their items' slots, through a dictionary."""

    dictionary = True

    def __init__(self, dtype: pa.DataType) -> None:
        super().__init__(dtype)
        item = pa.struct([dtype.key_field, dtype.item_field]) if pa.types.is_map(dtype) else dtype.value_type
        self._items = KeyIndex([item])
        self._table = BytesTable()

    @property
    def size(self) -> int:
        return int(self._table.size)

    @property
    def nbytes(self) -> int:
        return int(self._table.nbytes) + self._items.nbytes

    def encode(self, column: pa.Array, valid: Mask | None, add: bool = True) -> list[Ints]:
        offsets, items = buffers.list_parts(column)
        slots = self._items.insert([items]) if add else self._items.find([items])
        return [zero_nulls(self._table.insert(offsets * 8, slots.view(np.uint8), add), valid)]

    def decode(self, words: Sequence[Ints], valid: Mask | None) -> pa.Array:
        codes = words[0] if valid is None else np.where(valid, words[0], -1)
        offsets, data = self._table.take(np.ascontiguousarray(codes))
        items = self._items.columns(data.view(np.int64))[0]
        return buffers.from_list_parts(offsets // 8, items, self.type, valid)


class StructCodec(Codec):
    """Structs: the slot of their fields in a key index of their own."""

    dictionary = True

    def __init__(self, dtype: pa.DataType) -> None:
        super().__init__(dtype)
        self._fields = KeyIndex([dtype.field(i).type for i in range(dtype.num_fields)])

    @property
    def size(self) -> int:
        return self._fields.size

    @property
    def nbytes(self) -> int:
        return self._fields.nbytes

    def encode(self, column: pa.Array, valid: Mask | None, add: bool = True) -> list[Ints]:
        fields = [column.field(i) for i in range(column.type.num_fields)]
        slots = self._fields.insert(fields, len(column)) if add else self._fields.find(fields, len(column))
        return [zero_nulls(slots, valid)]

    def decode(self, words: Sequence[Ints], valid: Mask | None) -> pa.Array:
        if not self._fields.size:
            return pa.nulls(len(words[0]), self.type)
        columns = self._fields.columns(words[0])
        return buffers.struct_array(columns, self.type, len(words[0]), valid)


def codec(dtype: pa.DataType) -> Codec:
    """A new codec for the storage of a type; AssertionError for a type that has none."""
    dtype = storage_type(dtype)
    if pa.types.is_dictionary(dtype) or pa.types.is_run_end_encoded(dtype):
        return codec(dtype.value_type)
    if pa.types.is_struct(dtype):
        return StructCodec(dtype)
    made = flat_codec(dtype)
    if made is not None:
        return made
    assert pa.types.is_nested(dtype), f"no codec for {dtype}"
    return ListCodec(dtype)
