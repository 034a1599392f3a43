# cython: language_level=3
"""The table under the hash indexes: (tag, slot + 1) pairs in segments found by the leading bits of the hash."""

from libc.stdint cimport int64_t, uint64_t

cdef struct Entry:
    uint64_t tag
    int64_t slot1

cdef struct Segment:
    Entry* entries
    uint64_t used
    int depth


cdef inline uint64_t finish(uint64_t h) noexcept nogil:
    """The 64-bit finaliser of MurmurHash3 (Appleby, 2011): a bijection; every input bit moves every output bit."""
    h ^= h >> 33
    h *= <uint64_t>0xFF51AFD7ED558CCDULL
    h ^= h >> 33
    h *= <uint64_t>0xC4CEB9FE1A85EC53ULL
    return h ^ (h >> 33)


cdef class KeyTable:
    cdef bint tags_are_keys
    cdef Entry** directory
    cdef int shift
    cdef uint64_t mask
    cdef int bits
    cdef Segment* segments
    cdef int64_t* segment_of
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    cdef void** slabs
    cdef Py_ssize_t slab_count
    cdef Entry* spare
    cdef Py_ssize_t spares

    cdef int clear(self, Py_ssize_t keys) except -1
    cdef Entry* added(self, Entry* place, uint64_t h, uint64_t tag, int64_t slot) noexcept nogil
    cdef int _reset(self, int bits, uint64_t entries) noexcept nogil
    cdef void _free(self) noexcept nogil
    cdef Entry* _fresh(self) noexcept nogil
    cdef void* _slab(self, size_t entries) noexcept nogil
    cdef int _grow(self, Py_ssize_t segment) noexcept nogil
    cdef int _double_directory(self) noexcept nogil
    cdef int _split(self, Py_ssize_t segment) noexcept nogil
    cdef uint64_t _deal(self, Segment* old, Entry* new, Entry* there, int depth) noexcept nogil
    cdef int _widen(self) noexcept nogil
    cdef size_t bytes(self) noexcept nogil


cdef inline uint64_t segment_number(uint64_t h, int shift) noexcept nogil:
    """Where the directory of a table of this shift says a hash's segment is (no bits at all is a shift of 63)."""
    return (h >> 1) >> shift


cdef inline Entry* segment(KeyTable table, uint64_t h) noexcept nogil:
    """The entries among which a key of this hash is, `table.mask + 1` of them; its place is `h & table.mask`."""
    return table.directory[segment_number(h, table.shift)]
