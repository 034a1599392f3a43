# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Keys that lie densely, by address: ids counted up, dictionary codes, days.

This file must not know slots' meaning or when keys are dense enough: the index that owns the grid says.
"""

from libc.stdint cimport INT64_MAX, INT64_MIN, int32_t, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from sqlengine.kernels.pages cimport SqeArea, sqe_area_bytes, sqe_free_area, sqe_widen_area

cdef class KeyGrid:
    """Dense keys by address: one cell for every combination of the words' values inside their ranges.

    A cell holds slot + 1, 0 when the key is absent.  Word j is `low[j] + i` for i < span[j].
    """

    def __cinit__(self, Py_ssize_t width):
        self.width = width
        self.low = <int64_t*>calloc(width, sizeof(int64_t))
        self.span = <uint64_t*>calloc(width, sizeof(uint64_t))
        self.stride = <uint64_t*>calloc(width, sizeof(uint64_t))
        if self.low == NULL or self.span == NULL or self.stride == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self.low)
        free(self.span)
        free(self.stride)
        sqe_free_area(&self.area)

    cdef uint64_t _shape(self, const int64_t* low, const uint64_t* span, uint64_t most) noexcept nogil:
        """Cells of a grid over these ranges; 0 when they are more than `most`."""
        cdef uint64_t size = 1
        cdef Py_ssize_t j
        for j in range(self.width):
            if span[j] == 0 or span[j] > most // size:
                return 0
            size *= span[j]
        return size

    cdef size_t bytes(self) noexcept nogil:
        """Bytes of the cells."""
        return sqe_area_bytes(&self.area, self.size * sizeof(int32_t))

    cdef int cover(self, const int64_t* keys, Py_ssize_t n, uint64_t most) except -1:
        """Widen the ranges to hold the keys too: EMPTIED when all cells are empty then, KEPT when they hold what they
        held, 0 (and no change) when it takes more than `most` cells.

        Keys counted up only move the end.  A range that has to grow otherwise is given room to grow on: a stream of
        new keys must not empty the grid often."""
        cdef int64_t* low = <int64_t*>malloc(self.width * sizeof(int64_t))
        cdef uint64_t* span = <uint64_t*>malloc(2 * self.width * sizeof(uint64_t))
        cdef uint64_t size = 0
        cdef int done = 0
        if low == NULL or span == NULL:
            free(low)
            free(span)
            raise MemoryError()
        with nogil:
            self._ranges(keys, n, low, span)
            if self.size:
                size = self._roomy(low, span, most, 1)
                if not size:
                    size = self._roomy(low, span, most, 4)
            else:
                size = self._shape(low, span, most)
            if size:
                done = self._take(low, span, size)
        free(low)
        free(span)
        if size and not done:
            raise MemoryError()
        return done

    cdef int _take(self, const int64_t* low, const uint64_t* span, uint64_t size) noexcept nogil:
        """Have these ranges: EMPTIED or KEPT, 0 without memory."""
        cdef SqeArea fresh
        cdef int done = KEPT
        cdef Py_ssize_t j
        for j in range(self.width):
            if not self.size or low[j] != self.low[j] or (j > 0 and span[j] != self.span[j]):
                done = EMPTIED
        if done == KEPT:
            if not sqe_widen_area(&self.area, self.size * sizeof(int32_t), size * sizeof(int32_t), 1):
                return 0
        else:
            memset(&fresh, 0, sizeof(SqeArea))
            if not sqe_widen_area(&fresh, 0, size * sizeof(int32_t), 1):
                return 0
            sqe_free_area(&self.area)
            self.area = fresh
        self.cells = <int32_t*>self.area.at
        self.size = size
        memcpy(self.low, low, self.width * sizeof(int64_t))
        memcpy(self.span, span, self.width * sizeof(uint64_t))
        self._strides()
        return done

    cdef void _strides(self) noexcept nogil:
        cdef uint64_t stride = 1
        cdef Py_ssize_t j = self.width
        while j > 0:
            j -= 1
            self.stride[j] = stride
            stride *= self.span[j]

    cdef void _ranges(self, const int64_t* keys, Py_ssize_t n, int64_t* low, uint64_t* span) noexcept nogil:
        """The least ranges that hold the present grid and the keys; a span of 0 stands for 2**64."""
        cdef Py_ssize_t i, j
        cdef int64_t least, most
        for j in range(self.width):
            least = self.low[j] if self.size else keys[j]
            most = <int64_t>(<uint64_t>self.low[j] + self.span[j] - 1) if self.size else keys[j]
            for i in range(n):
                least = min(least, keys[i * self.width + j])
                most = max(most, keys[i * self.width + j])
            low[j] = least
            span[j] = <uint64_t>most - <uint64_t>least + 1

    cdef uint64_t _roomy(self, int64_t* low, uint64_t* span, uint64_t most, uint64_t part) noexcept nogil:
        """The ranges with room beyond what has grown, a `part`th of the old span; their cells, 0 when too many."""
        cdef uint64_t* roomy = span + self.width
        cdef int64_t* wide
        cdef uint64_t room, size
        cdef Py_ssize_t j
        wide = <int64_t*>malloc(self.width * sizeof(int64_t))
        if wide == NULL:
            return 0
        for j in range(self.width):
            wide[j] = low[j]
            roomy[j] = span[j]
            if span[j] == self.span[j]:
                continue
            room = self.span[j] // part + 1
            if low[j] < self.low[j] and <uint64_t>low[j] - <uint64_t>INT64_MIN >= room:
                wide[j] = <int64_t>(<uint64_t>low[j] - room)
                roomy[j] += room
            if low[j] + <int64_t>(span[j] - 1) > self.low[j] + <int64_t>(self.span[j] - 1) and (
                <uint64_t>INT64_MAX - <uint64_t>(low[j] + <int64_t>(span[j] - 1)) >= room
            ):
                roomy[j] += room
        size = self._shape(wide, roomy, most)
        if size:
            memcpy(low, wide, self.width * sizeof(int64_t))
            memcpy(span, roomy, self.width * sizeof(uint64_t))
        free(wide)
        return size
