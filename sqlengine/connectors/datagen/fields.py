"""One generated column: row n's value is a function of (seed, column, n) alone, made for many n at once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sqlengine.connectors.noise import I64, U64, below, noise, start_of, unit
from sqlengine.errors import InvalidParameter, NotSupportedError
from sqlengine.formats.base import null_mask
from sqlengine.formats.options import option, parse
from sqlengine.formats.text import convert_text
from sqlengine.quick_dataclass import dataclass
from sqlengine.types import JSONB, TIMESTAMP, is_json, to_sql

_LETTERS = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_DAY_MS = 86_400_000
DEFAULT_BASE_US = 1_704_067_200_000_000
"""2024-01-01: where moments lie when nothing else is said; a clock would make rows depend on when they are
read."""


@dataclass(frozen=True, slots=True)
class FieldOptions:
    """`fields.<column>.<option>`."""

    kind: str = option("random", "sequence or random values", choices=("sequence", "random"))
    start: str = option("", "first value of a sequence", aliases=("begin",))
    end: str = option("", "last value of a sequence: the rows end with it")
    step: str = option("", "what a sequence grows by: a number; for moments, milliseconds")
    min: str = option("", "least random value")
    max: str = option("", "greatest random value")
    length: int = option(0, "letters of a random text, bytes, elements of a list; 0 = 10 (3 for a list)", minimum=0)
    var_len: bool = option(False, "lengths vary from 1 to length")
    values: str = option("", "words to choose among, separated by commas", aliases=("options", "choices"))
    null_rate: float = option(0.0, "which part of the values is NULL, from 0 to 1", minimum=0)
    seed: int = option(0, "another seed makes other values", minimum=0)
    max_past: int = option(_DAY_MS, "how far random moments lie before base", unit="ms", minimum=0)
    base: str = option("", "the moment random moments lie before, and sequences of moments start at")

    def __post_init__(self) -> None:
        if self.null_rate > 1:
            raise InvalidParameter('option "null_rate" must be at most 1')


Make = Callable[[I64], pa.Array]


@dataclass(frozen=True, slots=True)
class Column:
    """`make(row numbers) -> values`; `rows`: how many rows there can be (None = no end)."""

    make: Make
    rows: int | None = None


def column(name: str, dtype: pa.DataType, given: dict[str, str], seed: int) -> Column:
    """The generator of one column.

    Raises InvalidParameter (22023) for an unknown or unfit option, NotSupportedError (0A000) for a type
    without a generator.
    """
    parts = _part_names(dtype)
    own = {k: v for k, v in given.items() if k.split(".")[0] not in parts}
    options = parse(FieldOptions, own, f'datagen field "{name}"')
    start = start_of(seed + options.seed, _stream(name))
    if options.kind == "sequence":
        made = _sequence(name, dtype, options)
    elif options.values:
        made = Column(_one_of(name, dtype, options, start))
    else:
        made = Column(_random(name, dtype, options, start, given, seed))
    return Column(_with_nulls(made.make, options.null_rate, start), made.rows)


def _part_names(dtype: pa.DataType) -> list[str]:
    """What a nested column's options may begin with: a struct's fields, a list's `element` (RisingWave:
    `_`)."""
    if pa.types.is_struct(dtype):
        return [dtype.field(i).name for i in range(dtype.num_fields)]
    return ["element", "_"] if pa.types.is_list(dtype) else []


def _stream(name: str) -> int:
    """A column's own stream: stable over the order of columns (FNV-1a)."""
    stream = 0xCBF29CE484222325
    for byte in name.encode():
        stream = ((stream ^ byte) * 0x100000001B3) % 2**64
    return stream


def _with_nulls(make: Make, rate: float, start: int) -> Make:
    if not rate:
        return make

    def nulled(rows: I64) -> pa.Array:
        missing = unit(noise(start ^ 0x5DEECE66D, rows)) < rate
        return pc.if_else(pa.array(missing), pa.scalar(None, make(rows[:0]).type), make(rows))

    return nulled


def _literal(name: str, what: str, text: str, dtype: pa.DataType) -> Any:
    """An option's text as a value of the column's type."""
    result = convert_text(pa.array([text]), dtype)
    if result.bad[0] or null_mask(result.values)[0]:
        raise InvalidParameter(f'invalid {what} for field "{name}" of type {to_sql(dtype)}: "{text}"')
    return result.values[0].as_py()


def _moment_us(name: str, what: str, text: str) -> int:
    value = convert_text(pa.array([text]), TIMESTAMP)
    if value.bad[0]:
        raise InvalidParameter(f'invalid {what} for field "{name}": "{text}"', hint="a timestamp is expected")
    return int(value.values.cast(pa.int64())[0].as_py())


def _number(name: str, what: str, text: str, default: Decimal) -> Decimal:
    if not text:
        return default
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise InvalidParameter(f'invalid {what} for field "{name}": "{text}"', hint="a number is expected") from None
    if not value.is_finite():
        raise InvalidParameter(f'invalid {what} for field "{name}": "{text}"', hint="a finite number is expected")
    return value


def _is_moment(dtype: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(dtype) or pa.types.is_date(dtype))


def _sequence(name: str, dtype: pa.DataType, options: FieldOptions) -> Column:
    if _is_moment(dtype):
        return _moment_sequence(name, dtype, options)
    if pa.types.is_string(dtype):
        inner = _sequence(name, pa.int64(), options)
        return Column(lambda rows: inner.make(rows).cast(pa.string()), inner.rows)
    if not (pa.types.is_integer(dtype) or pa.types.is_floating(dtype) or pa.types.is_decimal(dtype)):
        raise NotSupportedError(f'field "{name}": no sequence of type {to_sql(dtype)}')
    first = _number(name, "start", options.start, Decimal(0))
    step = _number(name, "step", options.step, Decimal(1))
    count = None
    if options.end:
        last = _number(name, "end", options.end, Decimal(0))
        if step == 0 or (last - first) / step < 0:
            raise InvalidParameter(f'field "{name}": end {options.end} is never reached from the start')
        count = int((last - first) / step) + 1
    if pa.types.is_integer(dtype):
        low, by = int(first), int(step)
        if low != first or by != step:
            raise InvalidParameter(f'field "{name}": whole numbers are expected')
        return Column(lambda rows: pa.array(low + rows * by).cast(dtype), count)
    if pa.types.is_floating(dtype):
        return Column(lambda rows: pa.array(float(first) + rows * float(step)).cast(dtype), count)
    return Column(_decimal_steps(first, step, dtype), count)


def _decimal_steps(first: Decimal, step: Decimal, dtype: pa.DataType) -> Make:
    low, by = _scaled(first, dtype), _scaled(step, dtype)
    return lambda rows: _from_scaled(low + rows * by, dtype)


def _scaled(value: Decimal, dtype: pa.DataType) -> int:
    return int(value.scaleb(dtype.scale).to_integral_value())


def _from_scaled(numbers: I64, dtype: pa.DataType) -> pa.Array:
    """Whole numbers of 10**-scale as decimals: 128-bit little-endian words."""
    words = np.empty((len(numbers), 2), dtype=np.int64)
    words[:, 0], words[:, 1] = numbers, numbers >> 63
    wide = pa.decimal128(38, dtype.scale)
    return pa.Array.from_buffers(wide, len(numbers), [None, pa.py_buffer(words.tobytes())]).cast(dtype)


def _moment_sequence(name: str, dtype: pa.DataType, options: FieldOptions) -> Column:
    text = options.start or options.base
    first = _moment_us(name, "start", text) if text else DEFAULT_BASE_US
    default = _DAY_MS if pa.types.is_date(dtype) else 1000
    step = int(_number(name, "step", options.step, Decimal(default)) * 1000)
    count = None
    if options.end:
        last = _moment_us(name, "end", options.end)
        if step == 0 or (last - first) / step < 0:
            raise InvalidParameter(f'field "{name}": end {options.end} is never reached from the start')
        count = (last - first) // step + 1
    return Column(lambda rows: _moments(first + rows * step, dtype), count)


def _moments(micros: I64, dtype: pa.DataType) -> pa.Array:
    values = pa.array(micros).cast(TIMESTAMP)
    return pc.floor_temporal(values, unit="day").cast(dtype) if pa.types.is_date(dtype) else values.cast(dtype)


def _one_of(name: str, dtype: pa.DataType, options: FieldOptions, start: int) -> Make:
    words = [_literal(name, "values", w.strip(), dtype) for w in options.values.split(",")]
    table = pa.array(words, dtype)
    return lambda rows: table.take(pa.array(below(noise(start, rows), len(words))))


def _random(name: str, dtype: pa.DataType, options: FieldOptions, start: int, given: dict[str, str], seed: int) -> Make:
    if pa.types.is_boolean(dtype):
        return lambda rows: pa.array(below(noise(start, rows), 2) == 0)
    if pa.types.is_integer(dtype):
        return _random_integers(name, dtype, options, start)
    if pa.types.is_floating(dtype):
        low = float(_number(name, "min", options.min, Decimal(0)))
        high = float(_number(name, "max", options.max, Decimal(1)))
        _check_range(name, low, high)
        return lambda rows: pa.array(low + unit(noise(start, rows)) * (high - low)).cast(dtype)
    if pa.types.is_decimal(dtype):
        low_d, high_d = (_scaled(n, dtype) for n in _range(name, options, 0, 1))
        return lambda rows: _from_scaled(_between(noise(start, rows), low_d, high_d), dtype)
    if _is_moment(dtype):
        base = _moment_us(name, "base", options.base) if options.base else DEFAULT_BASE_US
        return lambda rows: _moments(base - _between(noise(start, rows), 0, options.max_past * 1000), dtype)
    if pa.types.is_string(dtype) or pa.types.is_binary(dtype):
        return lambda rows: _texts(rows, options, start).cast(dtype)
    if isinstance(dtype, pa.UuidType):
        return lambda rows: _uuids(rows, start).cast(dtype)
    if is_json(dtype):
        inner, before = _random_integers(name, pa.int64(), options, start), f'{{"value":{" " * (dtype == JSONB)}'
        return lambda rows: pc.binary_join_element_wise(before, inner(rows).cast(pa.string()), "}", "").cast(dtype)
    if pa.types.is_struct(dtype):
        return _structs(name, dtype, given, seed)
    if pa.types.is_list(dtype):
        return _lists(name, dtype, options, given, seed)
    raise NotSupportedError(f'field "{name}": no random values of type {to_sql(dtype)}')


def _range(name: str, options: FieldOptions, low: int, high: int) -> tuple[Decimal, Decimal]:
    ends = _number(name, "min", options.min, Decimal(low)), _number(name, "max", options.max, Decimal(high))
    _check_range(name, *ends)
    return ends


def _check_range(name: str, low: Any, high: Any) -> None:
    if low > high:
        raise InvalidParameter(f'field "{name}": min {low} is above max {high}')


def _random_integers(name: str, dtype: pa.DataType, options: FieldOptions, start: int) -> Make:
    """Without min and max, RisingWave's range: a 16-bit number from 0."""
    low, high = (int(n) for n in _range(name, options, 0, 32_767))
    bits = dtype.bit_width - 1
    if not (-(2**bits) <= low and high < 2**bits):
        raise InvalidParameter(f'field "{name}": min or max does not fit type {to_sql(dtype)}')
    return lambda rows: pa.array(_between(noise(start, rows), low, high)).cast(dtype)


def _between(bits: U64, low: int, high: int) -> I64:
    """Whole numbers from low to high, both included, evenly but for a bias below (high - low) / 2**64."""
    size = high - low + 1
    if size >= 2**64:
        return bits.view(np.int64)
    if size < 2**31:
        return low + below(bits >> np.uint64(32), size)
    return (bits % np.uint64(size) + np.uint64(low % 2**64)).view(np.int64)


def _texts(rows: I64, options: FieldOptions, start: int) -> pa.StringArray:
    length = options.length or 10
    draws = [noise(start + 7919 * i, rows) for i in range(-(-length // 16))]
    shifts = np.arange(0, 64, 4, dtype=np.uint64)
    digits = np.concatenate([d[:, None] >> shifts for d in draws], axis=1)[:, :length] & np.uint64(15)
    lengths = np.full(len(rows), length, dtype=np.int64)
    if options.var_len:
        lengths = 1 + below(noise(start ^ 0x1234567, rows), length)
    kept = np.arange(length) < lengths[:, None]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    data = _LETTERS[digits.astype(np.intp)][kept].tobytes()
    return pa.Array.from_buffers(pa.string(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _uuids(rows: I64, start: int) -> pa.Array:
    """Version 4, variant 1 (RFC 9562)."""
    words = np.stack([noise(start, rows), noise(start + 7919, rows)], axis=1)
    octets = words.view(np.uint8).copy()
    octets[:, 6] = octets[:, 6] & 0x0F | 0x40
    octets[:, 8] = octets[:, 8] & 0x3F | 0x80
    return pa.Array.from_buffers(pa.binary(16), len(rows), [None, pa.py_buffer(octets.tobytes())])


def nested(given: dict[str, str], head: str) -> dict[str, str]:
    """The options of a part: those that begin with its name and a point."""
    return {k[len(head) + 1 :]: v for k, v in given.items() if k.startswith(head + ".")}


def _structs(name: str, dtype: pa.DataType, given: dict[str, str], seed: int) -> Make:
    fields = [dtype.field(i) for i in range(dtype.num_fields)]
    parts = [column(f"{name}.{f.name}", f.type, nested(given, f.name), seed) for f in fields]
    return lambda rows: pa.StructArray.from_arrays([p.make(rows) for p in parts], fields=fields)


def _lists(name: str, dtype: pa.DataType, options: FieldOptions, given: dict[str, str], seed: int) -> Make:
    length = options.length or 3
    part = column(f"{name}.element", dtype.value_type, {**nested(given, "_"), **nested(given, "element")}, seed)

    def make(rows: I64) -> pa.Array:
        inner = part.make((rows[:, None] * length + np.arange(length)).ravel())
        offsets = pa.array(np.arange(0, len(rows) * length + 1, length, dtype=np.int32))
        return pa.ListArray.from_arrays(offsets, inner).cast(dtype)

    return make
