"""The loops of `tdigest.pyx` in plain Python and NumPy: same functions, same bits, many times slower.

Why: runs where there is no compiled extension, and says in readable form what the compiled loops must do.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Levels = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]


def _order(block: Floats) -> None:
    """Sort centroids (float64[n, 2]) by mean and weight, in place."""
    block[:] = block[np.lexsort((block[:, 1], block[:, 0]))]


def _limit(q: float, compression: float) -> float:
    """The share of the values up to which a centroid that begins at the share q may reach."""
    k = math.asin(2.0 * q - 1.0) + 2.0 * math.pi / compression
    return 1.0 if k >= math.pi / 2.0 else (math.sin(k) + 1.0) / 2.0


def _between(a: float, b: float, part: float) -> float:
    """a + (b - a) * part, also where the difference is too large for a double."""
    step = b - a
    return a * (1.0 - part) + b * part if math.isinf(step) else a + step * part


def _join(block: Floats, compression: float) -> int:
    """Join sorted neighbours as far as the scale allows; the number of centroids left."""
    items: list[list[float]] = block.tolist()
    total = sum(weight for _, weight in items)
    joined, before, upto = [items[0]], 0.0, total * _limit(0.0, compression)
    for mean, own in items[1:]:
        last = joined[-1]
        weight = last[1] + own
        if before + weight <= upto:
            last[:] = _between(last[0], mean, own / weight), weight
        else:
            before += last[1]
            upto = total * _limit(before / total, compression)
            joined.append([mean, own])
    block[: len(joined)] = joined
    return len(joined)


def add(
    words: Floats,
    start: Int64s,
    level: Levels,
    used: Int64s,
    ordered: Int64s,
    low: Floats,
    high: Floats,
    slots: Int64s,
    means: Floats,
    weights: Floats,
    top: int,
    compression: float,
) -> Int64s:
    """Add one centroid a row (`weights` may be empty: each 1), with the bounds `low` and `high` of the values seen.

    int64[m] rows that were not added: their slots' blocks are full or missing, and below the level `top`.
    """
    left = []
    for i, slot in enumerate(slots.tolist()):
        room = 0 if level[slot] < 0 else (1 << int(level[slot])) >> 1
        if used[slot] == room:
            if level[slot] < top:
                left.append(i)
                continue
            block = words[start[slot] :][: 2 * room].reshape(room, 2)
            _order(block)
            used[slot] = ordered[slot] = _join(block, compression)
        at = start[slot] + 2 * used[slot]
        words[at] = means[i]
        words[at + 1] = weights[i] if len(weights) else 1.0
        used[slot] += 1
        low[slot] = min(low[slot], means[i])
        high[slot] = max(high[slot], means[i])
    return np.array(left, dtype=np.int64)


def values_at(
    words: Floats,
    start: Int64s,
    used: Int64s,
    ordered: Int64s,
    low: Floats,
    high: Floats,
    slots: Int64s,
    ranks: Floats,
) -> Floats:
    """The values of 1-based ranks (float64[n, m]) among the values of each slot; 0 for a slot without values.

    A centroid's mean stands in the middle of the ranks of its values, `low` and `high` at the first and the last;
    between them values are interpolated.  Blocks are left sorted.
    """
    found = np.zeros(ranks.shape)
    for i, slot in enumerate(slots.tolist()):
        if used[slot] == 0:
            continue
        block = words[start[slot] :][: 2 * used[slot]].reshape(-1, 2)
        _order(block)
        ordered[slot] = used[slot]
        upto = np.cumsum(block[:, 1])
        places = [1.0, *(upto - block[:, 1] + (block[:, 1] + 1.0) / 2.0).tolist(), float(upto[-1])]
        values = [float(low[slot]), *block[:, 0].tolist(), float(high[slot])]
        for j, rank in enumerate(ranks[i].tolist()):
            if rank <= 1.0 or rank >= upto[-1]:
                found[i, j] = low[slot] if rank <= 1.0 else high[slot]
                continue
            after = next(p for p in range(1, len(places)) if rank <= places[p])
            if rank == places[after]:
                found[i, j] = values[after]
            else:
                part = (rank - places[after - 1]) / (places[after] - places[after - 1])
                found[i, j] = _between(values[after - 1], values[after], part)
    return found
