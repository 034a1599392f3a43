# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""t-digests over group slots: values as centroids (mean, weight) that are few where a group is large.

A slot's block is `2 ** level[slot]` words of `words` from `start[slot]` on, two for each centroid, of which the first
`used[slot]` are taken and the first `ordered[slot]` sorted by mean and weight.  This is the merging digest of Dunning
and Ertl, "Computing extremely accurate quantiles using t-digests" (2019), with the scale function k1: values are
appended with weight 1; when a block of the greatest level is full, its centroids are sorted and neighbours joined as
long as a centroid spans at most 1 on the scale k(q) = compression / 2 pi * asin(2 q - 1), which leaves at most
compression + 1 of them.  `tdigest_reference.py` is the same in Python.  This file must not know Arrow or SQL.
"""

from libc.math cimport asin, isinf, sin
from libc.stdint cimport int8_t, int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

import numpy as np

cdef struct Centroid:
    double mean
    double weight

cdef enum:
    RUN = 16

cdef double PI = 3.141592653589793


cdef inline bint precedes(Centroid a, Centroid b) noexcept nogil:
    return a.mean < b.mean or (a.mean == b.mean and a.weight < b.weight)


cdef void merge_runs(const Centroid* items, Py_ssize_t low, Py_ssize_t mid, Py_ssize_t high,
                     Centroid* out) noexcept nogil:
    cdef Py_ssize_t i = low, j = mid, k
    for k in range(low, high):
        if i < mid and (j >= high or not precedes(items[j], items[i])):
            out[k] = items[i]
            i += 1
        else:
            out[k] = items[j]
            j += 1


cdef void sort_all(Centroid* items, Py_ssize_t n, Centroid* spare) noexcept nogil:
    """Insertion sort of short runs, then merges between the two arrays."""
    cdef Py_ssize_t low, i, j, width = RUN
    cdef Centroid item
    cdef Centroid* source = items
    cdef Centroid* target = spare
    cdef Centroid* other
    low = 0
    while low < n:
        for i in range(low + 1, min(low + RUN, n)):
            item = items[i]
            j = i
            while j > low and precedes(item, items[j - 1]):
                items[j] = items[j - 1]
                j -= 1
            items[j] = item
        low += RUN
    while width < n:
        low = 0
        while low < n:
            merge_runs(source, low, min(low + width, n), min(low + 2 * width, n), target)
            low += 2 * width
        other = source
        source = target
        target = other
        width *= 2
    if source != items:
        memcpy(items, source, n * sizeof(Centroid))


cdef void order(Centroid* items, Py_ssize_t ordered, Py_ssize_t n, Centroid* spare) noexcept nogil:
    """Sort items of which the first `ordered` are sorted."""
    if ordered >= n:
        return
    sort_all(items + ordered, n - ordered, spare)
    if ordered > 0 and precedes(items[ordered], items[ordered - 1]):
        merge_runs(items, 0, ordered, n, spare)
        memcpy(items, spare, n * sizeof(Centroid))


cdef inline double limit(double q, double compression) noexcept nogil:
    """The share of the values up to which a centroid that begins at the share q may reach."""
    cdef double k = asin(2.0 * q - 1.0) + 2.0 * PI / compression
    return 1.0 if k >= PI / 2.0 else (sin(k) + 1.0) / 2.0


cdef inline double between(double a, double b, double part) noexcept nogil:
    """a + (b - a) * part, also where the difference is too large for a double."""
    cdef double step = b - a
    if isinf(step):
        return a * (1.0 - part) + b * part
    return a + step * part


cdef Py_ssize_t join(Centroid* items, Py_ssize_t n, double compression) noexcept nogil:
    """Join sorted neighbours as far as the scale allows; the number of centroids left."""
    cdef Py_ssize_t i, last = 0
    cdef double total = 0.0, before = 0.0, upto, weight
    for i in range(n):
        total += items[i].weight
    upto = total * limit(0.0, compression)
    for i in range(1, n):
        weight = items[last].weight + items[i].weight
        if before + weight <= upto:
            items[last].mean = between(items[last].mean, items[i].mean, items[i].weight / weight)
            items[last].weight = weight
        else:
            before += items[last].weight
            upto = total * limit(before / total, compression)
            last += 1
            items[last] = items[i]
    return last + 1


def add(double[::1] words, const int64_t[::1] start, const int8_t[::1] level, int64_t[::1] used, int64_t[::1] ordered,
        double[::1] low, double[::1] high, const int64_t[::1] slots, const double[::1] means,
        const double[::1] weights, int top, double compression):
    """Add one centroid a row (`weights` may be empty: each 1), with the bounds `low` and `high` of the values seen.

    int64[m] rows that were not added: their slots' blocks are full or missing, and below the level `top`.
    """
    cdef Py_ssize_t i, n = slots.shape[0], left = 0, room
    cdef int64_t slot
    cdef bint weighted = weights.shape[0] > 0
    cdef Centroid* block
    cdef Centroid* spare = <Centroid*>malloc((<size_t>1 << top) * sizeof(double))
    if spare == NULL:
        raise MemoryError
    rows = np.empty(n, dtype=np.int64)
    cdef int64_t[::1] out = rows
    with nogil:
        for i in range(n):
            slot = slots[i]
            room = 0 if level[slot] < 0 else (<Py_ssize_t>1 << level[slot]) >> 1
            if used[slot] == room:
                if level[slot] < top:
                    out[left] = i
                    left += 1
                    continue
                block = <Centroid*>&words[start[slot]]
                order(block, ordered[slot], room, spare)
                used[slot] = join(block, room, compression)
                ordered[slot] = used[slot]
            block = <Centroid*>&words[start[slot]]
            block[used[slot]].mean = means[i]
            block[used[slot]].weight = weights[i] if weighted else 1.0
            used[slot] += 1
            if means[i] < low[slot]:
                low[slot] = means[i]
            if means[i] > high[slot]:
                high[slot] = means[i]
    free(spare)
    return rows[:left]


def values_at(double[::1] words, const int64_t[::1] start, const int64_t[::1] used, int64_t[::1] ordered,
              const double[::1] low, const double[::1] high, const int64_t[::1] slots, const double[:, ::1] ranks):
    """The values of 1-based ranks (float64[n, m]) among the values of each slot; 0 for a slot without values.

    A centroid's mean stands in the middle of the ranks of its values, `low` and `high` at the first and the last;
    between them values are interpolated.  Blocks are left sorted.
    """
    cdef Py_ssize_t i, j, c, n = slots.shape[0], most = 1
    cdef int64_t slot
    cdef double rank, at, value, next_at, beyond, upto, total
    cdef Centroid* block
    cdef Centroid* spare
    found = np.zeros((n, ranks.shape[1]), dtype=np.float64)
    cdef double[:, ::1] out = found
    for i in range(n):
        most = max(most, used[slots[i]])
    spare = <Centroid*>malloc(most * sizeof(Centroid))
    if spare == NULL:
        raise MemoryError
    with nogil:
        for i in range(n):
            slot = slots[i]
            if used[slot] == 0:
                continue
            block = <Centroid*>&words[start[slot]]
            order(block, ordered[slot], used[slot], spare)
            ordered[slot] = used[slot]
            total = 0.0
            for c in range(used[slot]):
                total += block[c].weight
            for j in range(ranks.shape[1]):
                rank = ranks[i, j]
                if rank <= 1.0 or rank >= total:
                    out[i, j] = low[slot] if rank <= 1.0 else high[slot]
                    continue
                at = 1.0
                value = low[slot]
                upto = 0.0
                c = 0
                next_at = (block[0].weight + 1.0) / 2.0
                while next_at < rank and c < used[slot]:
                    at = next_at
                    value = block[c].mean
                    upto += block[c].weight
                    c += 1
                    next_at = upto + (block[c].weight + 1.0) / 2.0 if c < used[slot] else total
                beyond = block[c].mean if c < used[slot] else high[slot]
                out[i, j] = beyond if rank == next_at else between(value, beyond, (rank - at) / (next_at - at))
    free(spare)
    return found
