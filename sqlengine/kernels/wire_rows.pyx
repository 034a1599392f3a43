# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Rows as a network protocol wants them: the cells of many columns, each with its length, one row behind another.

A column is given by addresses: of its bytes, of where each cell begins in them (int64, one more than there are cells; 0:
every cell has `width` bytes) and of which cells are not NULL (one byte each; 0: all).  The caller keeps them alive.
`wire_rows_reference.py` does the same with NumPy.  This file must not know types or messages.
"""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.string cimport memcpy


cdef inline void put32(uint8_t* at, uint32_t value) noexcept nogil:
    at[0] = <uint8_t>(value >> 24)
    at[1] = <uint8_t>(value >> 16)
    at[2] = <uint8_t>(value >> 8)
    at[3] = <uint8_t>value


cdef inline int64_t cell_size(const int64_t* offsets, int64_t width, const uint8_t* valid, Py_ssize_t i) noexcept nogil:
    if valid != NULL and not valid[i]:
        return -1
    return width if offsets == NULL else offsets[i + 1] - offsets[i]


def assemble(Py_ssize_t rows, const int64_t[::1] data, const int64_t[::1] offsets, const int64_t[::1] widths,
             const int64_t[::1] valid, int kind, bint counted, bint lengths):
    """(all rows' bytes, where each begins and the last ends).

    `kind` > 0: a row begins with that byte and its own length without it; `counted`: with the number of its cells;
    `lengths`: a cell begins with its length, -1 for NULL, else a NULL leaves no trace.
    """
    cdef Py_ssize_t i, c, columns = data.shape[0]
    cdef int64_t head = (5 if kind > 0 else 0) + (2 if counted else 0)
    cdef int64_t size, at, prefix = 4 if lengths else 0
    cdef int64_t[::1] starts = np.empty(rows + 1, np.int64)
    cdef uint8_t* to
    with nogil:
        at = 0
        for i in range(rows):
            starts[i] = at
            at += head
            for c in range(columns):
                size = cell_size(<int64_t*><size_t>offsets[c], widths[c], <uint8_t*><size_t>valid[c], i)
                at += prefix + (size if size > 0 else 0)
        starts[rows] = at
    made = np.empty(at, np.uint8)
    cdef uint8_t[::1] out = made
    cdef uint8_t* base = &out[0] if at else NULL
    cdef const uint8_t* source
    with nogil:
        for i in range(rows):
            to = base + starts[i]
            if kind > 0:
                to[0] = <uint8_t>kind
                put32(to + 1, <uint32_t>(starts[i + 1] - starts[i] - 1))
                to += 5
            if counted:
                to[0] = <uint8_t>(columns >> 8)
                to[1] = <uint8_t>columns
                to += 2
            for c in range(columns):
                size = cell_size(<int64_t*><size_t>offsets[c], widths[c], <uint8_t*><size_t>valid[c], i)
                if lengths:
                    put32(to, <uint32_t><int32_t>size)
                    to += 4
                if size > 0:
                    source = <uint8_t*><size_t>data[c]
                    source += (<int64_t*><size_t>offsets[c])[i] if offsets[c] else i * widths[c]
                    memcpy(to, source, size)
                    to += size
    return made, np.asarray(starts)
