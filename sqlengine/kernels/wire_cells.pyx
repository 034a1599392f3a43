# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Finding the cells in rows of length-prefixed fields, as COPY in binary has them.

`wire_cells_reference.py` does the same in Python.  This file must not know types.
"""

import numpy as np

from libc.stdint cimport int16_t, int32_t, int64_t, uint8_t


cdef inline int32_t get32(const uint8_t* at) noexcept nogil:
    return <int32_t>((<uint8_t>at[0] << 24) | (at[1] << 16) | (at[2] << 8) | at[3])


def locate(const uint8_t[::1] data, Py_ssize_t start, Py_ssize_t columns):
    """(begins, lengths: int64[rows, columns], where the first row that is not all there begins, is it the trailer).

    A length of -1 is NULL.  ValueError for a row of another number of fields or a length that cannot be.
    """
    cdef Py_ssize_t at = start, end = data.shape[0], row_at, c, rows = 0, room = 1024
    cdef int64_t size
    cdef int16_t fields
    cdef bint done = False
    begins = np.empty((room, columns), np.int64)
    sizes = np.empty((room, columns), np.int64)
    cdef int64_t[:, ::1] to_begin = begins
    cdef int64_t[:, ::1] to_size = sizes
    while at + 2 <= end:
        row_at = at
        fields = <int16_t>((data[at] << 8) | data[at + 1])
        at += 2
        if fields == -1:
            done = True
            break
        if fields != columns:
            raise ValueError(f"row field count is {fields}, expected {columns}")
        if rows == room:
            room *= 2
            begins = np.concatenate([begins, np.empty((rows, columns), np.int64)])
            sizes = np.concatenate([sizes, np.empty((rows, columns), np.int64)])
            to_begin, to_size = begins, sizes
        for c in range(columns):
            if at + 4 > end:
                return begins[:rows], sizes[:rows], row_at, False
            size = get32(&data[at])
            at += 4
            if size < -1:
                raise ValueError(f"field length {size}")
            if size > 0 and at + size > end:
                return begins[:rows], sizes[:rows], row_at, False
            to_begin[rows, c] = at
            to_size[rows, c] = size
            if size > 0:
                at += size
        rows += 1
    return begins[:rows], sizes[:rows], at, done
