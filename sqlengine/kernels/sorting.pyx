# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Sorting rows inside segments: what rankings and window functions do with the rows a tick touches.

Why: a comparison sort of (slot, code) pairs spends most of its time on the slots, which a counting sort brings together
in two passes; what is left are many short runs.  `sorting_reference.py` is the same in NumPy.
This file must not know SQL's order: codes ascend already.
"""

from libc.stdint cimport int64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

import numpy as np

cdef struct Item:
    int64_t code
    int64_t row

cdef enum:
    RUN = 24


cdef void _insertion(Item* items, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t i, j
    cdef Item item
    for i in range(1, n):
        item = items[i]
        j = i
        while j > 0 and items[j - 1].code > item.code:
            items[j] = items[j - 1]
            j -= 1
        items[j] = item


cdef void _merge(const Item* items, Py_ssize_t low, Py_ssize_t mid, Py_ssize_t high, Item* out) noexcept nogil:
    cdef Py_ssize_t i = low, j = mid, k
    for k in range(low, high):
        if i < mid and (j >= high or items[i].code <= items[j].code):
            out[k] = items[i]
            i += 1
        else:
            out[k] = items[j]
            j += 1


cdef void _sort(Item* items, Item* scratch, Py_ssize_t n) noexcept nogil:
    """Stable: short runs by insertion, longer ones by merging them bottom up."""
    cdef Py_ssize_t low, width = RUN
    cdef Item* source = items
    cdef Item* target = scratch
    cdef Item* swapped
    low = 0
    while low < n:
        _insertion(items + low, min(RUN, n - low))
        low += RUN
    while width < n:
        low = 0
        while low < n:
            if low + width < n and source[low + width - 1].code <= source[low + width].code:
                memcpy(target + low, source + low, min(2 * width, n - low) * sizeof(Item))
            else:
                _merge(source, low, min(low + width, n), min(low + 2 * width, n), target)
            low += 2 * width
        swapped = source
        source = target
        target = swapped
        width *= 2
    if source != items:
        memcpy(items, source, n * sizeof(Item))


def sort_segments(const int64_t[::1] segments, Py_ssize_t num_segments, const int64_t[::1] codes):
    """(rows sorted by segment, then code, equal ones in their own order; int64[num_segments + 1] where each segment
    starts in it).  `segments` are below `num_segments`; MemoryError when there is no room."""
    cdef Py_ssize_t n = segments.shape[0], i, at
    order = np.empty(n, dtype=np.int64)
    bounds = np.zeros(num_segments + 1, dtype=np.int64)
    cdef int64_t[::1] out = order, bound = bounds
    cdef Item* items = <Item*>malloc(2 * max(n, 1) * sizeof(Item))
    if items == NULL:
        raise MemoryError()
    with nogil:
        for i in range(n):
            bound[segments[i] + 1] += 1
        for i in range(num_segments):
            bound[i + 1] += bound[i]
        for i in range(n):
            at = bound[segments[i]]
            bound[segments[i]] = at + 1
            items[at].code = codes[i]
            items[at].row = i
        for i in range(num_segments, 0, -1):  # every bound has moved to the next one's place
            bound[i] = bound[i - 1]
        bound[0] = 0
        for i in range(num_segments):
            if bound[i + 1] - bound[i] > 1:
                _sort(items + bound[i], items + n, bound[i + 1] - bound[i])
        for i in range(n):
            out[i] = items[i].row
        free(items)
    return order, bounds
