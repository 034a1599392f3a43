"""Numbers as Java writes them (Double.toString, Float.toString of the Java platform's documentation)."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def double_text(a: pa.Array) -> pa.Array:
    """Doubles and floats: `1.0`, `1.0E7`, `NaN`, `Infinity`; every distinct value is written once."""
    encoded = a.dictionary_encode()
    single = a.type == pa.float32()
    texts = [None if v is None else java_double(v, single) for v in encoded.dictionary.to_numpy(zero_copy_only=False)]
    return pc.take(pa.array(texts, pa.string()), encoded.indices)


def java_double(value: float, single: bool = False) -> str:
    """One double, or float, as Java writes it."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "-0.0" if np.signbit(value) else "0.0"
    shortest = np.format_float_scientific(np.float32(value) if single else np.float64(value), trim="0")
    mantissa, _, exponent = shortest.partition("e")
    power = int(exponent)
    if not -3 <= power < 7:
        return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{power}"
    return np.format_float_positional(np.float32(value) if single else np.float64(value), trim="0")
