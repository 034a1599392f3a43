# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Open-addressing hash tables from keys to dense slots 0, 1, 2, ... in order of first appearance.

`HashIndex` maps a fixed number of int64 words, `BytesTable` byte strings.  Both use linear probing at a load of at
most one half, and a table of (tag, slot + 1) pairs (key_table.pyx) so that a probe touches one cache line: for one-word
keys the tag is the key itself, otherwise 32 bits of the hash.  Hashes of a block of keys are computed and their table
lines prefetched before the block is probed.  Keys that lie densely (ids counted up, dictionary codes, days) need no
hash: as long as a grid over the ranges of their words is small enough, a key's place in it is its address
(key_grid.pyx).  All of it grows a bounded step at a time: a batch of keys waits for about as much work as its own size.
`reference.py` holds the same classes in plain Python and NumPy.
This file must not know Arrow or SQL: NULLs, types and collations are `state/`'s affair.
"""

from libc.stdint cimport INT32_MAX, INT64_MAX, INT64_MIN, int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from sqlengine.kernels.key_grid cimport EMPTIED, KeyGrid, cell_of
from sqlengine.kernels.key_table cimport (
    MOVED, HashEntry, KeyEntry, KeyTable, enter, finish, free_place, home, line, segment, segment_number
)
from sqlengine.kernels.pages cimport (
    SQE_RESERVE_FROM, SpillFile, SqeArea, spill_area, spilled_bytes, sqe_area_bytes, sqe_expect, sqe_free_area,
    sqe_widen_area
)

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

ctypedef fused offset_t:
    int32_t
    int64_t

cdef enum:
    BLOCK = 32
    SMALLEST = 64
    STEP = 4096
    MOVED_PER_KEY = 4
    NO_MEMORY = -2
    FEWEST_CELLS = 1024
    SPARE_CELLS = 65536
    CELLS_PER_KEY = 8


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


cdef class HashIndex:
    """Keys of `width` >= 1 int64 words to slots.  Not thread-safe; loops run without the GIL.

    `grid` is None once the keys turned out not to be dense and have moved; then they are in `table`, and their first
    words in [least, most]: most of what is looked up in vain fails there already.  Many keys move a step an insertion:
    while `moving`, the first `moved` keys and all new ones are in the table, and the grid holds those it held.
    """

    cdef readonly Py_ssize_t width
    cdef KeyGrid grid
    cdef KeyTable table
    cdef SqeArea area
    cdef int64_t* words
    cdef Py_ssize_t count
    cdef bint moving
    cdef Py_ssize_t moved
    cdef Py_ssize_t frozen
    cdef int64_t least
    cdef int64_t most

    def __cinit__(self, Py_ssize_t width):
        if width < 1:
            raise ValueError("width must be at least 1")
        self.width = width
        self.least = INT64_MAX
        self.most = INT64_MIN
        self.grid = KeyGrid(width)
        self.table = KeyTable(width == 1)
        self._reserve_words(SMALLEST)

    def __dealloc__(self):
        sqe_free_area(&self.area)

    @property
    def size(self):
        """Number of keys."""
        return self.count

    @property
    def nbytes(self):
        """Bytes of the table or grid and the keys."""
        cdef size_t cells = self.grid.bytes() if self.grid is not None else 0
        return cells + self.table.bytes() + sqe_area_bytes(&self.area, self.count * self.width * sizeof(int64_t))

    @property
    def spilled_bytes(self):
        """Bytes of them that are in files."""
        cdef size_t cells = spilled_bytes(&self.grid.area) if self.grid is not None else 0
        return cells + self.table.spilled() + spilled_bytes(&self.area)

    def spill(self, SpillFile file):
        """What there is goes to the end of a file, as far as it is worth it: how many bytes; OSError when they could
        not.  Nobody writes meanwhile."""
        cdef Py_ssize_t cells = spill_area(&self.grid.area, file) if self.grid is not None else 0
        return cells + self.table.spill(file) + spill_area(&self.area, file)

    @property
    def dense(self):
        """Whether the keys are found by address."""
        return self.grid is not None and not self.moving

    def insert(self, const int64_t[:, ::1] codes):
        """Slots (int64[n]) of the keys codes[n, width]; a new key gets the next slot."""
        self._check(codes)
        out = np.empty(codes.shape[0], dtype=np.int64)
        cdef int64_t[::1] slots = out
        cdef Py_ssize_t n = codes.shape[0], done = 0
        cdef size_t key_bytes = self.width * sizeof(int64_t)
        if n * key_bytes >= SQE_RESERVE_FROM:
            self._reserve_words(n)
        sqe_expect(&self.area, self.count * key_bytes, n * key_bytes)
        if n and self.grid is not None and not self.moving:
            done = self._insert_dense(&codes[0, 0], n, &slots[0])
        if done < n:
            self._insert(&codes[done, 0], n - done, &slots[done])
        if self.moving:
            self._move(STEP + MOVED_PER_KEY * n)
        return out

    def find(self, const int64_t[:, ::1] codes):
        """Slots (int64[n]) of the keys codes[n, width]; -1 for a key that is absent."""
        self._check(codes)
        cdef Py_ssize_t n = codes.shape[0]
        out = np.empty(n, dtype=np.int64)
        cdef int64_t[::1] slots = out
        if n and self.grid is None:
            with nogil:
                self._find(&codes[0, 0], n, &slots[0])
        elif n and self.moving:
            with nogil:
                self._find_moving(&codes[0, 0], n, &slots[0])
        elif n:
            with nogil:
                self._find_dense(&codes[0, 0], n, &slots[0])
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
        self._shrink_words()
        self.moving = False
        self.grid = KeyGrid(self.width)
        if n and not self.grid.cover(self.words, n, self._most_cells(0)):
            self.grid = None
        if self.grid is None:
            self._fill_table()
        else:
            self.table.clear(0)
            self._fill_grid()
        return out

    cdef int _check(self, const int64_t[:, ::1] codes) except -1:
        if codes.shape[1] != self.width:
            raise ValueError(f"expected {self.width} words a key, got {codes.shape[1]}")
        return 0

    cdef uint64_t _most_cells(self, Py_ssize_t more) noexcept nogil:
        """What a grid may have: as many bytes as the table it stands for."""
        return max(<uint64_t>FEWEST_CELLS, <uint64_t>(self.count + more) * CELLS_PER_KEY)

    cdef Py_ssize_t _insert_dense(self, const int64_t* keys, Py_ssize_t n, int64_t* slots) except -1:
        """Insert while the keys are dense; how many are done.  Fewer than n: the keys move to the table.

        They also do when the batch turned out to hold few keys for the cells it was given."""
        cdef Py_ssize_t start = 0, i, j
        cdef int64_t cell = 0
        cdef int32_t slot1
        cdef int covered
        cdef KeyGrid grid = self.grid
        while start < n:
            if self.count + n - start >= INT32_MAX:
                break
            self._reserve_words(min(STEP, n - start))
            with nogil:
                i = start
                while i < min(start + STEP, n):
                    cell = cell_of(grid, keys + i * self.width)
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
                covered = grid.cover(keys + start * self.width, n - start, self._most_cells(n - start))
                if not covered:
                    break
                if covered == EMPTIED:
                    self._fill_grid()
        if start < n or grid.size > max(<uint64_t>SPARE_CELLS, 4 * self._most_cells(0)):
            self._leave_grid()
        return start

    cdef int _leave_grid(self) except -1:
        """The keys are not dense any more: begin to move them to the table."""
        cdef KeyGrid grid = self.grid
        self.table.clear(0)
        self.moving = True
        self.moved = 0
        self.frozen = self.count
        self.least = INT64_MAX
        self.most = INT64_MIN
        if grid.size:
            self.least = grid.low[0]
            self.most = <int64_t>(<uint64_t>grid.low[0] + grid.span[0] - 1)
        return self._move(STEP)

    cdef int _move(self, Py_ssize_t keys) except -1:
        """Move so many keys on; the grid is given up with the last one."""
        cdef Py_ssize_t stop = min(self.frozen, self.moved + keys)
        self._enter(self.moved, stop)
        self.moved = stop
        if stop == self.frozen:
            self.moving = False
            self.grid = None
        return 0

    cdef int _enter(self, Py_ssize_t start, Py_ssize_t stop) except -1:
        """Enter the keys of these slots, which are not there, into the table."""
        cdef uint64_t hashes[BLOCK]
        cdef Py_ssize_t i, size
        cdef bint done = True
        with nogil:
            while start < stop and done:
                size = min(BLOCK, stop - start)
                self._hash_block(self.words + start * self.width, size, hashes)
                for i in range(size):
                    done = done and self._enter_one(hashes[i], start + i)
                start += size
        if not done:
            raise MemoryError()
        return 0

    cdef bint _enter_one(self, uint64_t h, Py_ssize_t slot) noexcept nogil:
        """Enter the key of a slot, which is not there; False without memory."""
        if not self.table.make_room(h):
            return False
        self._enter_at(self._free_place(h), h, slot)
        return True

    cdef inline uint64_t _free_place(self, uint64_t h) noexcept nogil:
        """Where in its segment a key of this hash that is absent belongs."""
        cdef char* entries = segment(self.table, h)
        cdef uint64_t mask = self.table.mask
        if self.width == 1:
            return free_place(<KeyEntry*>entries, h, mask) - <KeyEntry*>entries
        return free_place(<HashEntry*>entries, h, mask) - <HashEntry*>entries

    cdef inline void _enter_at(self, uint64_t place, uint64_t h, Py_ssize_t slot) noexcept nogil:
        """Have the key of a slot at a free place of its segment."""
        cdef char* entries = segment(self.table, h)
        if self.width == 1:
            enter(<KeyEntry*>entries + place, h, self.words[slot], slot)
        else:
            enter(<HashEntry*>entries + place, h, 0, slot)

    cdef int _fill_table(self) except -1:
        """Have all keys in the table, and their range."""
        cdef Py_ssize_t i
        self.least = INT64_MAX
        self.most = INT64_MIN
        for i in range(self.count):
            self.least = min(self.least, self.words[i * self.width])
            self.most = max(self.most, self.words[i * self.width])
        self.table.clear(self.count)
        return self._enter(0, self.count)

    cdef void _fill_grid(self) noexcept:
        """Enter all keys into the empty grid."""
        cdef Py_ssize_t i
        for i in range(self.count):
            self.grid.cells[cell_of(self.grid, self.words + i * self.width)] = <int32_t>(i + 1)

    cdef int _reserve_words(self, Py_ssize_t more) except -1:
        """Room for `more` further keys."""
        cdef size_t size = self.width * sizeof(int64_t)
        if not sqe_widen_area(&self.area, self.count * size, (self.count + more) * size, 0):
            raise MemoryError()
        self.words = <int64_t*>self.area.at
        return 0

    cdef int _shrink_words(self) except -1:
        """Give back the memory of words beyond `count`."""
        cdef SqeArea smaller
        cdef size_t size = self.width * sizeof(int64_t)
        memset(&smaller, 0, sizeof(SqeArea))
        if not sqe_widen_area(&smaller, 0, max(self.count, SMALLEST) * size, 0):
            raise MemoryError()
        memcpy(smaller.at, self.area.at, self.count * size)
        sqe_free_area(&self.area)
        self.area = smaller
        self.words = <int64_t*>self.area.at
        return 0

    cdef inline uint64_t _hash(self, const int64_t* key) noexcept nogil:
        return finish(<uint64_t>key[0]) if self.width == 1 else hash_words(key, self.width)

    cdef inline void _hash_block(self, const int64_t* keys, Py_ssize_t n, uint64_t* hashes) noexcept nogil:
        cdef Py_ssize_t i
        cdef char** directory = self.table.directory
        cdef uint64_t mask = self.table.mask
        cdef int shift = self.table.shift
        cdef size_t size = self.table.entry_bytes
        for i in range(n):
            hashes[i] = self._hash(keys + i * self.width)
            SQE_PREFETCH(line(directory[segment_number(hashes[i], shift)], hashes[i], mask, size))

    cdef inline int64_t _probe(
        self, const char* segment_, uint64_t mask, const int64_t* key, uint64_t h, uint64_t* place
    ) noexcept nogil:
        """The slot of the key, found among the mask + 1 entries of its segment at `place`; -1 when it belongs there."""
        cdef uint64_t at = home(h, mask)
        cdef const KeyEntry* by_key = <const KeyEntry*>segment_
        cdef const HashEntry* by_hash = <const HashEntry*>segment_
        cdef const int64_t* other
        cdef Py_ssize_t j
        if self.width == 1:
            while by_key[at].slot1 and by_key[at].tag != <uint64_t>key[0]:
                at = (at + 1) & mask
            place[0] = at
            return <int64_t>by_key[at].slot1 - 1
        while by_hash[at].slot1:
            if by_hash[at].tag == h >> 32:
                other = self.words + (<int64_t>by_hash[at].slot1 - 1) * self.width
                j = 0
                while j < self.width and other[j] == key[j]:
                    j += 1
                if j == self.width:
                    break
            at = (at + 1) & mask
        place[0] = at
        return <int64_t>by_hash[at].slot1 - 1

    cdef inline int64_t _add(self, uint64_t place, const int64_t* key, uint64_t h) noexcept nogil:
        """Give a key that is absent, whose place in its segment is known, the next slot; -1 without memory."""
        cdef Py_ssize_t j
        cdef int room = self.table.make_room(h)
        if not room:
            return -1
        for j in range(self.width):
            self.words[self.count * self.width + j] = key[j]
        self._enter_at(self._free_place(h) if room == MOVED else place, h, self.count)
        self.least = min(self.least, key[0])
        self.most = max(self.most, key[0])
        self.count += 1
        return self.count - 1

    cdef int _insert(self, const int64_t* keys, Py_ssize_t n, int64_t* slots) except -1:
        cdef uint64_t hashes[BLOCK]
        cdef Py_ssize_t start = 0, stop, i, size
        cdef int64_t slot = 0
        cdef uint64_t place
        cdef const int64_t* key
        while start < n and slot >= 0:
            stop = min(n, start + STEP)
            self._reserve_words(stop - start)
            with nogil:
                while start < stop and slot >= 0:
                    size = min(BLOCK, stop - start)
                    self._hash_block(keys + start * self.width, size, hashes)
                    for i in range(size):
                        key = keys + (start + i) * self.width
                        slot = self._probe(segment(self.table, hashes[i]), self.table.mask, key, hashes[i], &place)
                        if slot < 0 and self.moving:
                            slot = self._slot_in_grid(key)
                        if slot < 0:
                            slot = self._add(place, key, hashes[i])
                            if slot < 0:
                                break
                        slots[start + i] = slot
                    start += size
        if slot < 0:
            raise MemoryError()
        return 0

    cdef void _find(self, const int64_t* keys, Py_ssize_t n, int64_t* slots) noexcept nogil:
        cdef uint64_t hashes[BLOCK]
        cdef char* entries[BLOCK]
        cdef Py_ssize_t at[BLOCK]
        cdef Py_ssize_t start = 0, size, i
        cdef char** directory = self.table.directory
        cdef uint64_t mask = self.table.mask
        cdef int shift = self.table.shift
        cdef size_t entry_bytes = self.table.entry_bytes
        cdef uint64_t place
        while start < n:
            size = 0
            while start < n and size < BLOCK:
                slots[start] = -1
                at[size] = start
                size += self.least <= keys[start * self.width] <= self.most
                start += 1
            for i in range(size):
                hashes[i] = self._hash(keys + at[i] * self.width)
                entries[i] = directory[segment_number(hashes[i], shift)]
                SQE_PREFETCH(line(entries[i], hashes[i], mask, entry_bytes))
            for i in range(size):
                slots[at[i]] = self._probe(entries[i], mask, keys + at[i] * self.width, hashes[i], &place)

    cdef void _find_dense(self, const int64_t* keys, Py_ssize_t n, int64_t* slots) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(n):
            slots[i] = self._slot_in_grid(keys + i * self.width)

    cdef void _find_moving(self, const int64_t* keys, Py_ssize_t n, int64_t* slots) noexcept nogil:
        cdef Py_ssize_t i
        self._find(keys, n, slots)
        for i in range(n):
            if slots[i] < 0:
                slots[i] = self._slot_in_grid(keys + i * self.width)

    cdef inline int64_t _slot_in_grid(self, const int64_t* key) noexcept nogil:
        """The key's slot by its address, -1 when it is not there."""
        cdef int64_t cell = cell_of(self.grid, key)
        return self.grid.cells[cell] - 1 if cell >= 0 else -1


cdef class BytesTable:
    """Byte strings to dense codes; the bytes are kept in one arena.  Not thread-safe."""

    cdef KeyTable table
    cdef SqeArea arena_area
    cdef SqeArea ends_area
    cdef uint8_t* arena
    cdef int64_t* ends
    cdef Py_ssize_t count

    def __cinit__(self):
        self.table = KeyTable(False)
        self._reserve(SMALLEST, 1024)
        self.ends[0] = 0

    def __dealloc__(self):
        sqe_free_area(&self.ends_area)
        sqe_free_area(&self.arena_area)

    @property
    def size(self):
        """Number of distinct byte strings."""
        return self.count

    @property
    def nbytes(self):
        """Bytes of the table and the arena."""
        cdef size_t ends = sqe_area_bytes(&self.ends_area, (self.count + 1) * sizeof(int64_t))
        return self.table.bytes() + sqe_area_bytes(&self.arena_area, self.ends[self.count]) + ends

    @property
    def spilled_bytes(self):
        """Bytes of them that are in files."""
        return self.table.spilled() + spilled_bytes(&self.arena_area) + spilled_bytes(&self.ends_area)

    def spill(self, SpillFile file):
        """What there is goes to the end of a file, as far as it is worth it: how many bytes; OSError when they could
        not.  Nobody writes meanwhile."""
        return self.table.spill(file) + spill_area(&self.arena_area, file) + spill_area(&self.ends_area, file)

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
                        SQE_PREFETCH(line(segment(self.table, hashes[i]), hashes[i], self.table.mask, sizeof(HashEntry)))
                for i in range(size):
                    codes[start + i] = codes[start + i - 1] if again[i] else self._place(
                        bytes_ + offsets[start + i], offsets[start + i + 1] - offsets[start + i], hashes[i], add
                    )
                    if codes[start + i] == NO_MEMORY:
                        with gil:
                            raise MemoryError()
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
        """Room for so many further keys, `size` bytes together."""
        cdef size_t ends = sizeof(int64_t)
        cdef int64_t used = self.ends[self.count] if self.ends != NULL else 0
        if not sqe_widen_area(&self.ends_area, (self.count + 1) * ends, (self.count + keys + 1) * ends, 0):
            raise MemoryError()
        if not sqe_widen_area(&self.arena_area, used, used + size, 0):
            raise MemoryError()
        self.ends = <int64_t*>self.ends_area.at
        self.arena = <uint8_t*>self.arena_area.at
        return 0

    cdef int64_t _place(self, const uint8_t* key, int64_t length, uint64_t h, bint add) noexcept nogil:
        cdef uint64_t mask = self.table.mask
        cdef uint64_t at = home(h, mask)
        cdef HashEntry* entries = <HashEntry*>segment(self.table, h)
        cdef int64_t code
        while entries[at].slot1:
            if entries[at].tag == h >> 32:
                code = <int64_t>entries[at].slot1 - 1
                if self.ends[code + 1] - self.ends[code] == length and (
                    length == 0 or memcmp(self.arena + self.ends[code], key, length) == 0
                ):
                    return code
            at = (at + 1) & mask
        if not add:
            return -1
        if not self.table.make_room(h):
            return NO_MEMORY
        entries = <HashEntry*>segment(self.table, h)
        enter(free_place(entries, h, self.table.mask), h, 0, self.count)
        if length:
            memcpy(self.arena + self.ends[self.count], key, length)
        self.ends[self.count + 1] = self.ends[self.count] + length
        self.count += 1
        return self.count - 1
