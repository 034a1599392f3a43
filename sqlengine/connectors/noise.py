"""Random numbers that are a function of their position: noise(seed, stream)(n) needs no earlier n.

The mixing function is SplitMix64's finaliser (Steele, Lea and Flood, OOPSLA 2014) over a Weyl sequence, so
value n is what that generator would return at step n; streams are generators with other starting points.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
_GAMMA = 0x9E3779B97F4A7C15
_MASK = 2**64 - 1


def start_of(seed: int, stream: int) -> int:
    """The 64-bit starting point of one stream of a seed."""
    return _mix_one(_mix_one(seed & _MASK) + stream * 0xD1B54A32D192ED03)


def noise(start: int, positions: I64) -> U64:
    """uint64[n], evenly distributed, for each position."""
    z = positions.astype(np.uint64)
    z *= np.uint64(_GAMMA)
    z += np.uint64(start)
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return z


def _mix_one(z: int) -> int:
    z = (z + _GAMMA) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def below(bits: U64, limit: I64 | int) -> I64:
    """Whole numbers in [0, limit) out of the low 32 bits (`limit` < 2**31): Lemire's multiply-shift."""
    low = bits & np.uint64(0xFFFFFFFF)
    low *= np.uint64(limit) if isinstance(limit, int) else limit.astype(np.uint64)
    low >>= np.uint64(32)
    return low.view(np.int64)


def upper(bits: U64) -> U64:
    """The high 32 bits: a second draw from the same noise."""
    return bits >> np.uint64(32)


def unit(bits: U64) -> npt.NDArray[np.float64]:
    """Floats in [0, 1), 53 bits each."""
    fraction: npt.NDArray[np.float64] = (bits >> np.uint64(11)).astype(np.float64)
    fraction *= 2.0**-53
    return fraction
