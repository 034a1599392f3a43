"""Approximate aggregates: the names other systems have for them and what their constants mean.

Why here: planner and rendering read the same constants and refuse the same ones.  A function is given by its own name
and the values of its literal arguments; several fractions in an ARRAY are one tuple.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sqlengine.errors import InvalidParameter
from sqlengine.quick_dataclass import dataclass

ALIASES = {"approx_distinct": "approx_count_distinct", "percentile_approx": "approx_percentile"}
DISTINCT_COUNTS = ("approx_count_distinct",)
QUANTILES = ("approx_quantile", "approx_percentile")
FREQUENT = ("approx_top_k",)
NAMES = (*DISTINCT_COUNTS, *QUANTILES, *FREQUENT)

DEFAULT_PRECISION = 12
"""HyperLogLog: 2**12 registers, a standard error of 1.04 / sqrt(4096) = 1.6 %."""
LEAST_PRECISION = 6
"""With fewer registers the error would be larger than the formula says."""
ERRORS = (0.0040625, 0.26)
"""The standard errors that may be asked for, as in Trino: of 2**16 registers, and of 2**4."""
DEFAULT_ACCURACY = 100
"""Quantiles: the answer for the fraction q is at most 2 sqrt(q (1 - q)) / accuracy of the values from its place."""
MOST_ACCURACY = 10_000
DEFAULT_K = 5
MOST_VALUES = 1_000_000

Constants = Sequence[object]


@dataclass(frozen=True, slots=True)
class Quantiles:
    """`listed`: several fractions were asked for and the answer is a list; `accuracy` None: the values themselves
    answer."""

    fractions: tuple[float, ...]
    listed: bool
    accuracy: int | None


@dataclass(frozen=True, slots=True)
class Frequent:
    """`reserved`: how many values of a group are counted."""

    k: int
    reserved: int


def precision_of(name: str, constants: Constants) -> int:
    """log2 of the number of registers that keep the standard error within the second argument's; InvalidParameter
    (22023) outside ERRORS."""
    if not constants:
        return DEFAULT_PRECISION
    least, most = ERRORS
    error = _number(name, constants[0], "standard error")
    if not least <= error <= most:
        raise InvalidParameter(
            f"standard error of {name} must be between {least:g} and {most:g}, not {error:g}",
            hint="without a second argument it is 0.01625",
        )
    return max(LEAST_PRECISION, math.ceil(2 * math.log2(1.04 / error) - 1e-9))


def quantiles_of(name: str, constants: Constants) -> Quantiles:
    """The fractions of approx_quantile(x, fraction or ARRAY of them [, accuracy]); InvalidParameter (22023) outside
    0..1 and 1..10000.

    An accuracy below 1 is RisingWave's: how far from the right value the answer may be, in proportion to it.  A digest
    promises places, not values, so the answer is then the right one.
    """
    if not constants:
        raise InvalidParameter(f"{name} needs a fraction", hint=f"for example {name}(x, 0.5), or (x, ARRAY[0.1, 0.9])")
    given = constants[0]
    listed = isinstance(given, tuple)
    fractions = tuple(_fraction(name, f) for f in (given if isinstance(given, tuple) else (given,)))
    accuracy: int | None = DEFAULT_ACCURACY
    if len(constants) > 1:
        is_share = 0 < _number(name, constants[1], "accuracy") < 1
        accuracy = None if is_share else _whole(name, constants[1], "accuracy", 1, MOST_ACCURACY)
    return Quantiles(fractions, listed, accuracy)


def frequent_of(name: str, constants: Constants) -> Frequent:
    """k and the number of counted values of approx_top_k(x [, k [, reserved]]); InvalidParameter (22023) when k is not
    between 1 and 1000000, or `reserved` not between k and that."""
    k = _whole(name, constants[0], "k", 1, MOST_VALUES) if constants else DEFAULT_K
    reserved = max(100, 10 * k)
    if len(constants) > 1:
        reserved = _whole(name, constants[1], "the number of reserved values", k, MOST_VALUES)
    return Frequent(k, reserved)


def check(name: str, constants: Constants) -> None:
    """InvalidParameter (22023) for constants that an approximate aggregate cannot use."""
    most, hint = (1, f"{name}(x [, standard error])")
    if name in DISTINCT_COUNTS:
        precision_of(name, constants)
    elif name in QUANTILES:
        quantiles_of(name, constants)
        most, hint = 2, f"{name}(x, fraction [, accuracy])"
    else:
        frequent_of(name, constants)
        most, hint = 2, f"{name}(x [, k [, reserved]])"
    if len(constants) > most:
        raise InvalidParameter(f"too many arguments for {name}", hint=f"the arguments are {hint}")


def _fraction(name: str, given: object) -> float:
    fraction = _number(name, given, "percentile value")
    if not 0.0 <= fraction <= 1.0:
        raise InvalidParameter(f"percentile value {fraction:g} is not between 0 and 1")
    return fraction


def _number(name: str, given: object, what: str) -> float:
    try:
        return float(str(given))
    except ValueError:
        raise InvalidParameter(f"{what} of {name} must be a number") from None


def _whole(name: str, given: object, what: str, least: int, most: int) -> int:
    number = _number(name, given, what)
    if not least <= number <= most or number != int(number):
        raise InvalidParameter(f"{what} of {name} must be a whole number between {least} and {most}")
    return int(number)
