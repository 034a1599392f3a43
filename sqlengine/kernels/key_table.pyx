# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Hash tables from 64-bit tags to slots that grow a segment at a time: no insertion waits for all keys to move.

Extendible hashing (Fagin et al., TODS 4(3), 1979): the leading bits of a hash choose a segment through a directory, the
last of its first 32 bits a place in it, from where probing is linear and cyclic inside the segment.  A segment that is half full
is split in two by its next bit, which moves at most SEGMENT / 2 entries, one after the other.  Until there are as many
entries as one segment has, the table is a single segment that doubles.  Keys whose hashes agree in too many leading
bits (chosen ones) can not be told apart by splitting: then all segments double.
An entry is a key of one word and its slot (KeyEntry), or the leading 32 bits of a hash and a slot (HashEntry): then
there are at most 2**32 - 2 keys.  This file must not know keys: whoever probes compares them, and hashes them.
"""

from libc.stdint cimport UINT32_MAX, int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memset

from sqlengine.kernels.pages cimport SpillFile, SqeArea, spill_area, spilled_bytes, sqe_free_area, sqe_zeroed_area

cdef enum:
    SMALLEST = 64
    SEGMENT = 16384
    SLAB_SEGMENTS = 8
    SPARE_DEPTH = 3


cdef uint64_t deal(entry_t* old, entry_t* new, entry_t* there, uint64_t mask, int depth) noexcept nogil:
    """Enter the entries of a segment anew, by bit `depth` of the hash counted from the top, here or into `new`; how many
    went there.  `there`: room for them and one more.  No branch depends on an entry but the search of its place."""
    cdef entry_t* sides[2]
    cdef entry_t* to
    cdef uint64_t h, at, bit, i, count = 0, moved = 0
    for i in range(mask + 1):
        there[count] = old[i]
        count += old[i].slot1 != 0
    memset(old, 0, (mask + 1) * sizeof(entry_t))
    sides[0] = old
    sides[1] = new
    for i in range(count):
        h = hash_of(&there[i])
        bit = (h >> (64 - depth)) & 1
        to = sides[bit]
        moved += bit
        at = home(h, mask)
        while to[at].slot1:
            at = (at + 1) & mask
        to[at] = there[i]
    return moved


cdef void spread(entry_t* old, uint64_t mask, entry_t* new, uint64_t wide) noexcept nogil:
    """Enter the entries of a segment into an empty one of another size."""
    cdef uint64_t i
    for i in range(mask + 1):
        if old[i].slot1:
            free_place(new, hash_of(&old[i]), wide)[0] = old[i]


cdef class KeyTable:
    """`slot1 == 0` is a free place.  `tags_are_keys`: entries are KeyEntry, otherwise HashEntry."""

    def __cinit__(self, bint tags_are_keys):
        self.tags_are_keys = tags_are_keys
        self.entry_bytes = sizeof(KeyEntry) if tags_are_keys else sizeof(HashEntry)
        if not self._reset(0, SMALLEST):
            raise MemoryError()

    def __dealloc__(self):
        self._free()

    cdef int clear(self, Py_ssize_t keys) except -1:
        """Empty the table, with room for `keys` keys."""
        cdef uint64_t entries = SMALLEST
        cdef int bits = 0
        while entries < <uint64_t>keys * 2 and entries < SEGMENT:
            entries *= 2
        while (entries << bits) < <uint64_t>keys * 2:
            bits += 1
        self._free()
        if not self._reset(bits, entries):
            raise MemoryError()
        return 0

    cdef int make_room(self, uint64_t h) noexcept nogil:
        """Before a key of this hash is entered: 0 without memory, 1 when there was room, MOVED when it belongs elsewhere
        now."""
        cdef int done = 1
        cdef Py_ssize_t segment = self.segment_of[segment_number(h, self.shift)]
        if not self.tags_are_keys and self.keys == UINT32_MAX - 1:
            return 0
        while 2 * self.segments[segment].used > self.mask:
            if not self._grow(segment):
                return 0
            segment = self.segment_of[segment_number(h, self.shift)]
            done = MOVED
        self.segments[segment].used += 1
        self.keys += 1
        return done

    cdef size_t bytes(self) noexcept nogil:
        """Bytes of the segments."""
        return (self.count + self.spares) * (self.mask + 1) * self.entry_bytes

    cdef size_t spilled(self) noexcept nogil:
        """Bytes of the segments that are in files."""
        cdef size_t total = 0
        cdef Py_ssize_t i
        for i in range(self.slab_count):
            total += spilled_bytes(&self.slabs[i])
        return total

    cdef Py_ssize_t spill(self, SpillFile file) except -1:
        """The segments go to the end of a file: how many bytes; OSError when they could not."""
        cdef Py_ssize_t i, total = 0
        for i in range(self.slab_count):
            total += spill_area(&self.slabs[i], file)
        return total

    cdef int _reset(self, int bits, uint64_t entries) noexcept nogil:
        """2**bits empty segments of so many entries; 0 without memory."""
        cdef Py_ssize_t i
        self.bits = bits
        self.shift = 63 - bits
        self.mask = entries - 1
        self.room = <Py_ssize_t>1 << bits
        self.directory = <char**>calloc(self.room, sizeof(char*))
        self.segment_of = <int64_t*>calloc(self.room, sizeof(int64_t))
        self.segments = <Segment*>calloc(self.room, sizeof(Segment))
        if self.directory == NULL or self.segment_of == NULL or self.segments == NULL:
            return 0
        for i in range(self.room):
            self.directory[i] = self._fresh()
            if self.directory[i] == NULL:
                return 0
            self.count += 1
            self.segment_of[i] = i
            self.segments[i].entries = self.directory[i]
            self.segments[i].depth = bits
        return 1

    cdef void _free(self) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(self.slab_count):
            sqe_free_area(&self.slabs[i])
        free(self.slabs)
        free(self.directory)
        free(self.segment_of)
        free(self.segments)
        self.slabs = NULL
        self.slab_count = 0
        self.spares = 0
        self.count = 0
        self.keys = 0

    cdef void* _slab(self, size_t entries) noexcept nogil:
        """Zeroed entries that live as long as the table; NULL without memory."""
        cdef SqeArea* slabs = <SqeArea*>realloc(self.slabs, (self.slab_count + 1) * sizeof(SqeArea))
        cdef SqeArea slab
        if slabs == NULL:
            return NULL
        self.slabs = slabs
        slab = sqe_zeroed_area(entries * self.entry_bytes)
        if slab.at != NULL:
            self.slabs[self.slab_count] = slab
            self.slab_count += 1
        return slab.at

    cdef char* _fresh(self) noexcept nogil:
        """The entries of a new segment, several at a time once there are several; NULL without memory."""
        cdef char* made
        cdef Py_ssize_t size
        if not self.spares:
            size = max(<Py_ssize_t>1, min(<Py_ssize_t>SLAB_SEGMENTS, self.count)) if self.mask + 1 == SEGMENT else 1
            self.spare = <char*>self._slab(size * (self.mask + 1))
            if self.spare == NULL:
                return NULL
            self.spares = size
        made = self.spare
        self.spare += (self.mask + 1) * self.entry_bytes
        self.spares -= 1
        return made

    cdef int _grow(self, Py_ssize_t segment) noexcept nogil:
        """Make room in a segment that is half full; 0 without memory."""
        cdef int depth = self.segments[segment].depth
        if self.mask + 1 < SEGMENT or (<Py_ssize_t>1 << depth) > self.count << SPARE_DEPTH:
            return self._widen()
        if depth == self.bits and not self._double_directory():
            return 0
        return self._split(segment)

    cdef int _double_directory(self) noexcept nogil:
        cdef Py_ssize_t i, size = <Py_ssize_t>1 << self.bits
        cdef char** directory = <char**>realloc(self.directory, 2 * size * sizeof(char*))
        cdef int64_t* segment_of
        if directory == NULL:
            return 0
        self.directory = directory
        segment_of = <int64_t*>realloc(self.segment_of, 2 * size * sizeof(int64_t))
        if segment_of == NULL:
            return 0
        self.segment_of = segment_of
        for i in range(2 * size - 1, -1, -1):
            directory[i] = directory[i >> 1]
            segment_of[i] = segment_of[i >> 1]
        self.bits += 1
        self.shift -= 1
        return 1

    cdef int _split(self, Py_ssize_t segment) noexcept nogil:
        """Move the entries whose next bit is set to a segment of their own; 0 without memory."""
        cdef Py_ssize_t place, size = <Py_ssize_t>1 << self.bits, new_segment = self.count
        cdef int depth = self.segments[segment].depth + 1
        cdef Segment* segments
        cdef char* there
        cdef char* new
        cdef uint64_t moved
        if self.count == self.room:
            segments = <Segment*>realloc(self.segments, 2 * self.room * sizeof(Segment))
            if segments == NULL:
                return 0
            self.segments = segments
            self.room *= 2
        there = <char*>malloc((self.segments[segment].used + 1) * self.entry_bytes)
        if there == NULL:
            return 0
        new = self._fresh()
        if new == NULL:
            free(there)
            return 0
        if self.tags_are_keys:
            moved = deal(<KeyEntry*>self.segments[segment].entries, <KeyEntry*>new, <KeyEntry*>there, self.mask, depth)
        else:
            moved = deal(<HashEntry*>self.segments[segment].entries, <HashEntry*>new, <HashEntry*>there, self.mask, depth)
        free(there)
        self.segments[segment].used -= moved
        self.segments[segment].depth = depth
        self.segments[new_segment].entries = new
        self.segments[new_segment].used = moved
        self.segments[new_segment].depth = depth
        self.count += 1
        for place in range(size):
            if self.segment_of[place] == segment and (place >> (self.bits - depth)) & 1:
                self.segment_of[place] = new_segment
                self.directory[place] = new
        return 1

    cdef int _widen(self) noexcept nogil:
        """Double every segment; 0 (and no change) without memory."""
        cdef Py_ssize_t segment, place, old_slabs = self.slab_count
        cdef uint64_t wide = 2 * self.mask + 1, i
        cdef char* old
        cdef char* new = <char*>self._slab(self.count * (wide + 1))
        if new == NULL:
            return 0
        for segment in range(self.count):
            old = self.segments[segment].entries
            self.segments[segment].entries = new
            if self.tags_are_keys:
                spread(<KeyEntry*>old, self.mask, <KeyEntry*>new, wide)
            else:
                spread(<HashEntry*>old, self.mask, <HashEntry*>new, wide)
            new += (wide + 1) * self.entry_bytes
        for place in range(<Py_ssize_t>1 << self.bits):
            self.directory[place] = self.segments[self.segment_of[place]].entries
        for i in range(<uint64_t>old_slabs):
            sqe_free_area(&self.slabs[i])
        self.slabs[0] = self.slabs[old_slabs]
        self.slab_count = 1
        self.spares = 0
        self.mask = wide
        return 1
