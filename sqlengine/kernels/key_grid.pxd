# cython: language_level=3
"""Dense keys found by address, for the hash indexes."""

from libc.stdint cimport int32_t, int64_t, uint64_t

from sqlengine.kernels.pages cimport SqeArea

cdef enum:
    EMPTIED = 1
    KEPT = 2

cdef class KeyGrid:
    cdef Py_ssize_t width
    cdef int64_t* low
    cdef uint64_t* span
    cdef uint64_t* stride
    cdef SqeArea area
    cdef int32_t* cells
    cdef uint64_t size

    cdef int cover(self, const int64_t* keys, Py_ssize_t n, uint64_t most) except -1
    cdef size_t bytes(self) noexcept nogil
    cdef uint64_t _shape(self, const int64_t* low, const uint64_t* span, uint64_t most) noexcept nogil
    cdef int _take(self, const int64_t* low, const uint64_t* span, uint64_t size) noexcept nogil
    cdef void _strides(self) noexcept nogil
    cdef void _ranges(self, const int64_t* keys, Py_ssize_t n, int64_t* low, uint64_t* span) noexcept nogil
    cdef uint64_t _roomy(self, int64_t* low, uint64_t* span, uint64_t most, uint64_t part) noexcept nogil


cdef inline int64_t cell_of(KeyGrid grid, const int64_t* key) noexcept nogil:
    """The key's cell, -1 when it is outside."""
    cdef uint64_t at = 0, step
    cdef Py_ssize_t j
    for j in range(grid.width):
        step = <uint64_t>key[j] - <uint64_t>grid.low[j]
        if step >= grid.span[j]:
            return -1
        at += step * grid.stride[j]
    return <int64_t>at
