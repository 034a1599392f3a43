# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Open-addressing hash tables from keys to dense slots 0, 1, 2, ... in order of first appearance.

`HashIndex` maps a fixed number of int64 words, `BytesTable` byte strings.  Both use linear probing at a load of at
most one half, and a table of (tag, slot + 1) pairs so that a probe touches one cache line: for one-word keys the tag
is the key itself, otherwise it is the 64-bit hash.  Hashes of a block of keys are computed and their table lines
prefetched before the block is probed.  Keys that lie densely (ids counted up, dictionary codes, days) need no hash:
as long as a grid over the ranges of their words is small enough, a key's place in it is its address.
`reference.py` holds the same classes in plain Python and NumPy.
This file must not know Arrow or SQL: NULLs, types and collations are `state/`'s affair.
"""

from libc.stdint cimport INT32_MAX, INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcmp, memcpy, memset

import numpy as np

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define SQE_PREFETCH(p) __builtin_prefetch((p), 1, 1)
    #else
    #define SQE_PREFETCH(p) ((void)0)
    #endif
    """
    void SQE_PREFETCH(const void* p) noexcept nogil

# Large tables are probed at random: with pages of 2 MiB most probes need no walk of the page table (a third less time).
cdef extern from *:
    """
    #include <stdlib.h>
    #include <string.h>
    #if defined(__linux__)
    #include <sys/mman.h>
    #define SQE_HUGE ((size_t)1 << 21)
    static void* sqe_zeroed(size_t bytes) {
        void* place = NULL;
        if (bytes < 2 * SQE_HUGE) return calloc(bytes, 1);
        bytes = (bytes + SQE_HUGE - 1) & ~(SQE_HUGE - 1);
        if (posix_memalign(&place, SQE_HUGE, bytes)) return NULL;
        madvise(place, bytes, MADV_HUGEPAGE);
        memset(place, 0, bytes);
        return place;
    }
    static void* sqe_grown(void* old, size_t used, size_t bytes) {
        void* place = NULL;
        if (bytes < 2 * SQE_HUGE) return realloc(old, bytes);
        bytes = (bytes + SQE_HUGE - 1) & ~(SQE_HUGE - 1);
        if (posix_memalign(&place, SQE_HUGE, bytes)) return NULL;
        madvise(place, bytes, MADV_HUGEPAGE);
        memcpy(place, old, used < bytes ? used : bytes);
        free(old);
        return place;
    }
    #else
    static void* sqe_zeroed(size_t bytes) { return calloc(bytes, 1); }
    static void* sqe_grown(void* old, size_t used, size_t bytes) { return realloc(old, bytes); }
    #endif
    """
    void* sqe_zeroed(size_t bytes) noexcept nogil
    void* sqe_grown(void* old, size_t used, size_t bytes) noexcept nogil

ctypedef fused offset_t:
    int32_t
    int64_t

cdef struct Entry:
    uint64_t tag
    int64_t slot1

cdef enum:
    BLOCK = 32
    SMALLEST = 64
    FEWEST_CELLS = 1024
    SPARE_CELLS = 65536
    CELLS_PER_KEY = 8


cdef inline uint64_t finish(uint64_t h) noexcept nogil:
    """The 64-bit finaliser of MurmurHash3 (Appleby, 2011): a bijection; every input bit moves every output bit."""
    h ^= h >> 33
    h *= <uint64_t>0xFF51AFD7ED558CCDULL
    h ^= h >> 33
    h *= <uint64_t>0xC4CEB9FE1A85EC53ULL
    return h ^ (h >> 33)


cdef inline uint64_t hash_words(const int64_t* words, Py_ssize_t width) noexcept nogil:
    cdef uint64_t h = 0
    cdef Py_ssize_t j
    for j in range(width):
        h = finish(h ^ <uint64_t>words[j]) + <uint64_t>0x9E3779B97F4A7C15ULL
    return h


cdef inline uint64_t hash_bytes(const uint8_t* data, int64_t length) noexcept nogil:
    cdef uint64_t h = <uint64_t>length * <uint64_t>0x9E3779B97F4A7C15ULL
    cdef uint64_t word
    cdef int64_t at = 0
    while at + 8 <= length:
        memcpy(&word, data + at, 8)
        h = (h ^ word) * <uint64_t>0xD6E8FEB86659FD93ULL
        h ^= h >> 32
        at += 8
    if at < length:
        word = 0
        memcpy(&word, data + at, length - at)
        h = (h ^ word) * <uint64_t>0xD6E8FEB86659FD93ULL
        h ^= h >> 32
    return finish(h)


cdef class _Table:
    """The (tag, slot + 1) pairs; `slot1 == 0` is a free place."""

    cdef Entry* entries
    cdef uint64_t mask
    cdef Py_ssize_t used

    def __cinit__(self):
        self.mask = SMALLEST - 1
        self.entries = <Entry*>calloc(SMALLEST, sizeof(Entry))
        if self.entries == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self.entries)

    cdef int clear(self, Py_ssize_t keys) except -1:
        """Empty the table, with room for `keys` keys."""
        cdef uint64_t places = SMALLEST
        while places < <uint64_t>keys * 2:
            places *= 2
        cdef Entry* fresh = <Entry*>sqe_zeroed(places * sizeof(Entry))
        if fresh == NULL:
            raise MemoryError()
        free(self.entries)
        self.entries = fresh
        self.mask = places - 1
        return 0


cdef class _Grid:
    """Dense keys by address: one cell for every combination of the words' values inside their ranges.

    A cell holds slot + 1, 0 when the key is absent.  Word j is `low[j] + i` for i < span[j].
    """

    cdef Py_ssize_t width
    cdef int64_t* low
    cdef uint64_t* span
    cdef uint64_t* stride
    cdef int32_t* cells
    cdef uint64_t size

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
        free(self.cells)

    cdef inline int64_t cell(self, const int64_t* key) noexcept nogil:
        """The key's cell, -1 when it is outside."""
        cdef uint64_t at = 0, step
        cdef Py_ssize_t j
        for j in range(self.width):
            step = <uint64_t>key[j] - <uint64_t>self.low[j]
            if step >= self.span[j]:
                return -1
            at += step * self.stride[j]
        return <int64_t>at

    cdef uint64_t _shape(self, const int64_t* low, const uint64_t* span, uint64_t most) noexcept nogil:
        """Cells of a grid over these ranges; 0 when they are more than `most`."""
        cdef uint64_t size = 1
        cdef Py_ssize_t j
        for j in range(self.width):
            if span[j] == 0 or span[j] > most // size:
                return 0
            size *= span[j]
        return size

    cdef int cover(self, const int64_t* keys, Py_ssize_t n, uint64_t most) except -1:
        """Widen the ranges to hold the keys too, all cells empty then; 0 (and no change) when that takes more than
        `most` cells.  A range that has to grow is given room to grow on: a stream of new keys must not do this often."""
        cdef int64_t* low = <int64_t*>malloc(self.width * sizeof(int64_t))
        cdef uint64_t* span = <uint64_t*>malloc(2 * self.width * sizeof(uint64_t))
        cdef int32_t* cells
        cdef uint64_t size = 0
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
        cells = <int32_t*>sqe_zeroed(max(size, 1) * sizeof(int32_t)) if size else NULL
        if size and cells != NULL:
            free(self.cells)
            self.cells = cells
            self.size = size
            memcpy(self.low, low, self.width * sizeof(int64_t))
            memcpy(self.span, span, self.width * sizeof(uint64_t))
            self._strides()
        free(low)
        free(span)
        if size and cells == NULL:
            raise MemoryError()
        return size > 0

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


cdef class HashIndex:
    """Keys of `width` >= 1 int64 words to slots.  Not thread-safe; loops run without the GIL.

    `grid` is None once the keys turned out not to be dense; then they are in `table`, and their first words in
    [least, most]: most of what is looked up in vain fails there already.
    """

    cdef readonly Py_ssize_t width
    cdef _Grid grid
    cdef _Table table
    cdef int64_t* words
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    cdef int64_t least
    cdef int64_t most

    def __cinit__(self, Py_ssize_t width):
        if width < 1:
            raise ValueError("width must be at least 1")
        self.width = width
        self.least = INT64_MAX
        self.most = INT64_MIN
        self.grid = _Grid(width)
        self.table = _Table()
        self.room = SMALLEST
        self.words = <int64_t*>malloc(self.room * width * sizeof(int64_t))
        if self.words == NULL:
            raise MemoryError()

    def __dealloc__(self):
        free(self.words)

    @property
    def size(self):
        """Number of keys."""
        return self.count

    @property
    def nbytes(self):
        """Bytes of the table or grid and the keys."""
        cdef uint64_t cells = self.grid.size * sizeof(int32_t) if self.grid is not None else 0
        return cells + (self.table.mask + 1) * sizeof(Entry) + self.room * self.width * sizeof(int64_t)

    @property
    def dense(self):
        """Whether the keys are found by address."""
        return self.grid is not None

    def insert(self, const int64_t[:, ::1] codes):
        """Slots (int64[n]) of the keys codes[n, width]; a new key gets the next slot."""
        self._check(codes)
        out = np.empty(codes.shape[0], dtype=np.int64)
        cdef int64_t[::1] slots = out
        cdef Py_ssize_t n = codes.shape[0], done = 0
        if n and self.grid is not None:
            done = self._insert_dense(&codes[0, 0], n, &slots[0])
        if done < n:
            self._insert(&codes[done, 0], n - done, &slots[done])
        return out

    def find(self, const int64_t[:, ::1] codes):
        """Slots (int64[n]) of the keys codes[n, width]; -1 for a key that is absent."""
        self._check(codes)
        cdef Py_ssize_t n = codes.shape[0]
        out = np.empty(n, dtype=np.int64)
        cdef int64_t[::1] slots = out
        cdef uint64_t hashes[BLOCK]
        cdef Py_ssize_t at[BLOCK]
        cdef Py_ssize_t start = 0, size, i
        cdef int64_t cell
        cdef _Grid grid = self.grid
        if n and grid is not None:
            with nogil:
                for i in range(n):
                    cell = grid.cell(&codes[i, 0])
                    slots[i] = grid.cells[cell] - 1 if cell >= 0 else -1
        elif n:
            with nogil:
                while start < n:
                    size = 0
                    while start < n and size < BLOCK:
                        slots[start] = -1
                        at[size] = start
                        size += self.least <= codes[start, 0] <= self.most
                        start += 1
                    for i in range(size):
                        hashes[i] = self._hash(&codes[at[i], 0])
                        SQE_PREFETCH(&self.table.entries[hashes[i] & self.table.mask])
                    for i in range(size):
                        slots[at[i]] = self._probe(&codes[at[i], 0], hashes[i]).slot1 - 1
        return out

    def keys(self):
        """All keys by slot: a copy, int64[size, width]."""
        out = np.empty((self.count, self.width), dtype=np.int64)
        cdef int64_t[:, ::1] view = out
        if self.count:
            memcpy(&view[0, 0], self.words, self.count * self.width * sizeof(int64_t))
        return out

    def take(self, const int64_t[::1] slots):
        """The keys of the given slots, int64[n, width]; slots must be in range."""
        cdef Py_ssize_t n = slots.shape[0], i
        out = np.empty((n, self.width), dtype=np.int64)
        cdef int64_t[:, ::1] view = out
        if n:
            with nogil:
                for i in range(n):
                    memcpy(&view[i, 0], self.words + slots[i] * self.width, self.width * sizeof(int64_t))
        return out

    def compact(self, keep):
        """Keep the slots where keep (bool[size]) is true, in order; returns old slot -> new slot or -1, int64[size]."""
        cdef const uint8_t[::1] kept = np.ascontiguousarray(keep, dtype=np.bool_).view(np.uint8)
        if kept.shape[0] != self.count:
            raise ValueError("keep must have one entry per key")
        out = np.empty(self.count, dtype=np.int64)
        cdef int64_t[::1] moved = out
        cdef Py_ssize_t i, n = 0, old = self.count
        for i in range(old):
            moved[i] = n if kept[i] else -1
            if kept[i]:
                if i != n:
                    memcpy(self.words + n * self.width, self.words + i * self.width, self.width * sizeof(int64_t))
                n += 1
        self.count = n
        self._resize_words(max(n, SMALLEST))
        self.grid = _Grid(self.width)
        if n and not self.grid.cover(self.words, n, self._most_cells(0)):
            self.grid = None
        self.table.clear(SMALLEST // 2 if self.grid is not None else max(n, SMALLEST // 2))
        self._rebuild()
        return out

    cdef int _check(self, const int64_t[:, ::1] codes) except -1:
        if codes.shape[1] != self.width:
            raise ValueError(f"expected {self.width} words a key, got {codes.shape[1]}")
        return 0

    cdef uint64_t _most_cells(self, Py_ssize_t more) noexcept nogil:
        """What a grid may have: as many bytes as the table it stands for."""
        return max(<uint64_t>FEWEST_CELLS, <uint64_t>(self.count + more) * CELLS_PER_KEY)

    cdef Py_ssize_t _insert_dense(self, const int64_t* keys, Py_ssize_t n, int64_t* slots) except -1:
        """Insert while the keys are dense; how many are done.  Fewer than n: the keys moved to the table.

        They also do when the batch turned out to hold few keys for the cells it was given."""
        cdef Py_ssize_t start = 0, i, j
        cdef int64_t cell = 0
        cdef int32_t slot1
        cdef _Grid grid = self.grid
        while start < n:
            if self.count + n - start >= INT32_MAX:
                break
            self._reserve_words(min(4096, n - start))
            with nogil:
                i = start
                while i < min(start + 4096, n):
                    cell = grid.cell(keys + i * self.width)
                    if cell < 0:
                        break
                    slot1 = grid.cells[cell]
                    if slot1 == 0:
                        for j in range(self.width):
                            self.words[self.count * self.width + j] = keys[i * self.width + j]
                        self.count += 1
                        slot1 = <int32_t>self.count
                        grid.cells[cell] = slot1
                    slots[i] = slot1 - 1
                    i += 1
            start = i
            if start < n and cell < 0:
                if not grid.cover(keys + start * self.width, n - start, self._most_cells(n - start)):
                    break
                self._rebuild()
        if start < n or grid.size > max(<uint64_t>SPARE_CELLS, 4 * self._most_cells(0)):
            self.grid = None
            self.table.clear(max(self.count, SMALLEST // 2))
            self._rebuild()
        return start

    cdef int _resize_words(self, Py_ssize_t room) except -1:
        cdef size_t used = self.count * self.width * sizeof(int64_t)
        cdef int64_t* words = <int64_t*>sqe_grown(self.words, used, room * self.width * sizeof(int64_t))
        if words == NULL:
            raise MemoryError()
        self.words = words
        self.room = room
        return 0

    cdef int _reserve_words(self, Py_ssize_t more) except -1:
        if self.count + more > self.room:
            self._resize_words(max(self.count + more, self.room * 2))
        return 0

    cdef int _reserve(self, Py_ssize_t more) except -1:
        """Room for `more` further keys in the words and, at half load, in the table."""
        cdef Py_ssize_t wanted = self.count + more
        self._reserve_words(more)
        if <uint64_t>wanted * 2 > self.table.mask + 1:
            self.table.clear(wanted)
            self._rebuild()
        return 0

    cdef void _rebuild(self) noexcept:
        """Enter all keys into the empty grid or table."""
        cdef Py_ssize_t start = 0, size, i
        cdef uint64_t at
        cdef uint64_t hashes[BLOCK]
        if self.grid is not None:
            for i in range(self.count):
                self.grid.cells[self.grid.cell(self.words + i * self.width)] = <int32_t>(i + 1)
            return
        self.least = INT64_MAX
        self.most = INT64_MIN
        for i in range(self.count):
            self.least = min(self.least, self.words[i * self.width])
            self.most = max(self.most, self.words[i * self.width])
        while start < self.count:
            size = min(BLOCK, self.count - start)
            self._hash_block(self.words + start * self.width, size, hashes)
            for i in range(size):
                at = hashes[i] & self.table.mask
                while self.table.entries[at].slot1:
                    at = (at + 1) & self.table.mask
                self.table.entries[at].tag = <uint64_t>self.words[start + i] if self.width == 1 else hashes[i]
                self.table.entries[at].slot1 = start + i + 1
            start += size

    cdef inline uint64_t _hash(self, const int64_t* key) noexcept nogil:
        return finish(<uint64_t>key[0]) if self.width == 1 else hash_words(key, self.width)

    cdef inline void _hash_block(self, const int64_t* keys, Py_ssize_t n, uint64_t* hashes) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(n):
            hashes[i] = self._hash(keys + i * self.width)
            SQE_PREFETCH(&self.table.entries[hashes[i] & self.table.mask])

    cdef inline Entry* _probe(self, const int64_t* key, uint64_t h) noexcept nogil:
        """The entry of the key, or the free entry where it belongs."""
        cdef uint64_t tag = <uint64_t>key[0] if self.width == 1 else h
        cdef uint64_t at = h & self.table.mask
        cdef Entry* entry
        cdef const int64_t* other
        cdef Py_ssize_t j
        while True:
            entry = &self.table.entries[at]
            if entry.slot1 == 0:
                return entry
            if entry.tag == tag:
                if self.width == 1:
                    return entry
                other = self.words + (entry.slot1 - 1) * self.width
                j = 0
                while j < self.width and other[j] == key[j]:
                    j += 1
                if j == self.width:
                    return entry
            at = (at + 1) & self.table.mask

    cdef int _insert(self, const int64_t* keys, Py_ssize_t n, int64_t* slots) except -1:
        cdef uint64_t hashes[BLOCK]
        cdef Py_ssize_t start = 0, size, i, j
        cdef Entry* entry
        cdef const int64_t* key
        while start < n:
            size = min(4096, n - start)
            self._reserve(size)
            size += start
            with nogil:
                while start < size:
                    self._hash_block(keys + start * self.width, min(BLOCK, size - start), hashes)
                    for i in range(min(BLOCK, size - start)):
                        key = keys + (start + i) * self.width
                        entry = self._probe(key, hashes[i])
                        if entry.slot1 == 0:
                            entry.tag = <uint64_t>key[0] if self.width == 1 else hashes[i]
                            for j in range(self.width):
                                self.words[self.count * self.width + j] = key[j]
                            self.least = min(self.least, key[0])
                            self.most = max(self.most, key[0])
                            self.count += 1
                            entry.slot1 = self.count
                        slots[start + i] = entry.slot1 - 1
                    start += min(BLOCK, size - start)
        return 0


cdef class BytesTable:
    """Byte strings to dense codes; the bytes are kept in one arena.  Not thread-safe."""

    cdef _Table table
    cdef uint8_t* arena
    cdef int64_t* ends
    cdef Py_ssize_t count
    cdef Py_ssize_t room
    cdef int64_t arena_room

    def __cinit__(self):
        self.table = _Table()
        self.room = SMALLEST
        self.arena_room = 1024
        self.ends = <int64_t*>malloc((self.room + 1) * sizeof(int64_t))
        self.arena = <uint8_t*>malloc(self.arena_room)
        if self.ends == NULL or self.arena == NULL:
            raise MemoryError()
        self.ends[0] = 0

    def __dealloc__(self):
        free(self.ends)
        free(self.arena)

    @property
    def size(self):
        """Number of distinct byte strings."""
        return self.count

    @property
    def nbytes(self):
        """Bytes of the table and the arena."""
        return (self.table.mask + 1) * sizeof(Entry) + self.arena_room + self.room * sizeof(int64_t)

    def insert(self, const offset_t[::1] offsets, const uint8_t[::1] data, bint add=True):
        """Codes (int64[n]) of data[offsets[i]:offsets[i + 1]]; unknown strings are added, or -1 unless `add`.

        A string like the one before it (a day, a status: streams have runs of them) is not looked up again.
        """
        cdef Py_ssize_t n = offsets.shape[0] - 1, start = 0, size, i
        cdef int64_t length, before = -1
        out = np.empty(max(n, 0), dtype=np.int64)
        cdef int64_t[::1] codes = out
        cdef const uint8_t* bytes_ = &data[0] if data.shape[0] else NULL
        cdef uint64_t hashes[BLOCK]
        cdef bint again[BLOCK]
        while start < n:
            size = min(BLOCK, n - start)
            if add:
                self._reserve(size, <int64_t>offsets[start + size] - <int64_t>offsets[start])
            with nogil:
                for i in range(size):
                    length = offsets[start + i + 1] - offsets[start + i]
                    again[i] = length == before and (
                        length == 0 or memcmp(bytes_ + offsets[start + i], bytes_ + offsets[start + i] - length, length) == 0
                    )
                    before = length
                    if not again[i]:
                        hashes[i] = hash_bytes(bytes_ + offsets[start + i], length)
                        SQE_PREFETCH(&self.table.entries[hashes[i] & self.table.mask])
                for i in range(size):
                    codes[start + i] = codes[start + i - 1] if again[i] else self._place(
                        bytes_ + offsets[start + i], offsets[start + i + 1] - offsets[start + i], hashes[i], add
                    )
                start += size
        return out

    def take(self, const int64_t[::1] codes):
        """(offsets int64[n + 1], data uint8[...]) of the byte strings of the codes; -1 gives an empty string."""
        cdef Py_ssize_t n = codes.shape[0], i
        offsets = np.empty(n + 1, dtype=np.int64)
        cdef int64_t[::1] at = offsets
        cdef int64_t code
        at[0] = 0
        with nogil:
            for i in range(n):
                code = codes[i]
                at[i + 1] = at[i] + (self.ends[code + 1] - self.ends[code] if code >= 0 else 0)
        data = np.empty(at[n], dtype=np.uint8)
        cdef uint8_t[::1] view = data
        if at[n]:
            with nogil:
                for i in range(n):
                    code = codes[i]
                    if code >= 0:
                        memcpy(&view[0] + at[i], self.arena + self.ends[code], self.ends[code + 1] - self.ends[code])
        return offsets, data

    cdef int _reserve(self, Py_ssize_t keys, int64_t size) except -1:
        cdef Py_ssize_t wanted = self.count + keys
        cdef void* grown
        if wanted > self.room:
            self.room = max(wanted, self.room * 2)
            grown = realloc(self.ends, (self.room + 1) * sizeof(int64_t))
            if grown == NULL:
                raise MemoryError()
            self.ends = <int64_t*>grown
        if self.ends[self.count] + size > self.arena_room:
            self.arena_room = max(self.ends[self.count] + size, self.arena_room * 2)
            grown = realloc(self.arena, self.arena_room)
            if grown == NULL:
                raise MemoryError()
            self.arena = <uint8_t*>grown
        if <uint64_t>wanted * 2 > self.table.mask + 1:
            self.table.clear(wanted)
            self._rebuild()
        return 0

    cdef void _rebuild(self) noexcept nogil:
        cdef Py_ssize_t i
        cdef uint64_t h, at
        for i in range(self.count):
            h = hash_bytes(self.arena + self.ends[i], self.ends[i + 1] - self.ends[i])
            at = h & self.table.mask
            while self.table.entries[at].slot1:
                at = (at + 1) & self.table.mask
            self.table.entries[at].tag = h
            self.table.entries[at].slot1 = i + 1

    cdef int64_t _place(self, const uint8_t* key, int64_t length, uint64_t h, bint add) noexcept nogil:
        cdef uint64_t at = h & self.table.mask
        cdef Entry* entry
        cdef int64_t code
        while True:
            entry = &self.table.entries[at]
            if entry.slot1 == 0:
                break
            if entry.tag == h:
                code = entry.slot1 - 1
                if self.ends[code + 1] - self.ends[code] == length and (
                    length == 0 or memcmp(self.arena + self.ends[code], key, length) == 0
                ):
                    return code
            at = (at + 1) & self.table.mask
        if not add:
            return -1
        if length:
            memcpy(self.arena + self.ends[self.count], key, length)
        self.ends[self.count + 1] = self.ends[self.count] + length
        entry.tag = h
        self.count += 1
        entry.slot1 = self.count
        return self.count - 1
