# cython: language_level=3
"""The table under the hash indexes: (tag, slot + 1) pairs in segments found by the leading bits of the hash."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from sqlengine.kernels.pages cimport SpillFile, SqeArea

cdef struct KeyEntry:
    uint64_t tag
    uint64_t slot1

cdef struct HashEntry:
    uint32_t tag
    uint32_t slot1

ctypedef fused entry_t:
    KeyEntry
    HashEntry

cdef struct Segment:
    char* entries
    uint64_t used
    int depth


cdef inline uint64_t finish(uint64_t h) noexcept nogil:
    """The 64-bit finaliser of MurmurHash3 (Appleby, 2011): a bijection; every input bit moves every output bit."""
    h ^= h >> 33
    h *= <uint64_t>0xFF51AFD7ED558CCDULL
    h ^= h >> 33
    h *= <uint64_t>0xC4CEB9FE1A85EC53ULL
    return h ^ (h >> 33)


cdef enum:
    MOVED = 2

cdef class KeyTable:
    cdef bint tags_are_keys
    cdef size_t entry_bytes
    cdef char** directory
    cdef int shift
    cdef uint64_t mask
    cdef int bits
    cdef Segment* segments
    cdef int64_t* segment_of
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    cdef uint64_t keys
    cdef SqeArea* slabs
    cdef Py_ssize_t slab_count
    cdef char* spare
    cdef Py_ssize_t spares

    cdef int clear(self, Py_ssize_t keys) except -1
    cdef int make_room(self, uint64_t h) noexcept nogil
    cdef int _reset(self, int bits, uint64_t entries) noexcept nogil
    cdef void _free(self) noexcept nogil
    cdef char* _fresh(self) noexcept nogil
    cdef void* _slab(self, size_t entries) noexcept nogil
    cdef int _grow(self, Py_ssize_t segment) noexcept nogil
    cdef int _double_directory(self) noexcept nogil
    cdef int _split(self, Py_ssize_t segment) noexcept nogil
    cdef int _widen(self) noexcept nogil
    cdef size_t bytes(self) noexcept nogil
    cdef size_t spilled(self) noexcept nogil
    cdef Py_ssize_t spill(self, SpillFile file) except -1


cdef inline uint64_t hash_of(const entry_t* entry) noexcept nogil:
    """The hash of an entry's key, its leading 32 bits at least."""
    if entry_t is KeyEntry:
        return finish(entry.tag)
    else:
        return <uint64_t>entry.tag << 32


cdef inline uint64_t home(uint64_t h, uint64_t mask) noexcept nogil:
    """Where probing for a hash begins in its segment."""
    return (h >> 32) & mask


cdef inline uint64_t segment_number(uint64_t h, int shift) noexcept nogil:
    """Where the directory of a table of this shift says a hash's segment is (no bits at all is a shift of 63)."""
    return (h >> 1) >> shift


cdef inline char* segment(KeyTable table, uint64_t h) noexcept nogil:
    """The entries among which a key of this hash is, `table.mask + 1` of them; its place is at `home` or behind it."""
    return table.directory[segment_number(h, table.shift)]


cdef inline const char* line(const char* entries, uint64_t h, uint64_t mask, size_t entry_bytes) noexcept nogil:
    """What to prefetch before probing for a hash."""
    return entries + home(h, mask) * entry_bytes


cdef inline void enter(entry_t* place, uint64_t h, uint64_t key, uint64_t slot) noexcept nogil:
    """Have a key that is absent at its free place, once its segment has room."""
    if entry_t is KeyEntry:
        place.tag = key
        place.slot1 = slot + 1
    else:
        place.tag = <uint32_t>(h >> 32)
        place.slot1 = <uint32_t>(slot + 1)


cdef inline entry_t* free_place(entry_t* entries, uint64_t h, uint64_t mask) noexcept nogil:
    """The first free entry from the home of a hash on."""
    cdef uint64_t at = home(h, mask)
    while entries[at].slot1:
        at = (at + 1) & mask
    return entries + at
