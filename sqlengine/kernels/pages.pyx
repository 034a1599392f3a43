# cython: language_level=3
"""Addresses reserved for an array that grows: memory is taken as it is touched, and what is there never moves; what
has been written can leave for files (spilled.h), at the same addresses.

`pages_reference.py` reserves nothing; whoever asks then copies as the array grows.
This file must not know what the arrays hold, or where the files are.
"""

import os

from cpython.buffer cimport PyBuffer_FillInfo
from libc.errno cimport errno
from libc.stdint cimport int64_t

from sqlengine.kernels.pages cimport (
    SqeArea, sqe_expect, sqe_free_area, sqe_promise, sqe_reserved_area, spilled_bytes
)

cdef extern from "spilled.h":
    int64_t sqe_spill(SqeArea* area, int file, size_t place, size_t least) noexcept nogil
    size_t sqe_let_go(size_t bytes) noexcept nogil
    void sqe_watch(int statm, size_t high, size_t low) noexcept nogil
    int sqe_breathe() noexcept nogil
    int sqe_breathe_for(int milliseconds) noexcept nogil
    SqeArea sqe_map_file(int file, size_t place, size_t bytes) noexcept nogil


PAGE = os.sysconf("SC_PAGESIZE")
IN_PLACE = os.uname().sysname == "Linux"
"""Whether reservations can leave for files here."""


cdef class SpillFile:
    """A file that memory leaves for: `size` bytes of it are in use.  What brings less than `least` bytes stays."""

    def __init__(self, int descriptor, size_t least):
        self.descriptor = descriptor
        self.size = 0
        self.least = least

    def map(self, size_t bytes_):
        """Pages of what was written to the file, `bytes_` bytes behind the first `size`, now in use too."""
        cdef Pages pages = Pages.__new__(Pages)
        pages.area = sqe_map_file(self.descriptor, self.size, bytes_)
        if pages.area.at == NULL:
            raise OSError(errno, os.strerror(errno))
        self._use(bytes_)
        return pages

    cdef void _use(self, size_t bytes_):
        cdef size_t page = PAGE
        self.size += (bytes_ + page - 1) // page * page


cdef Py_ssize_t spill_area(SqeArea* area, SpillFile file) except -1:
    cdef int64_t done
    with nogil:
        done = sqe_spill(area, file.descriptor, file.size, file.least)
    if done < 0:
        raise OSError(-done, os.strerror(-done))
    file._use(done)
    return done


cdef class Pages:
    """A reservation; given back when nothing refers to it or its memory any more."""

    cdef SqeArea area

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.area.at, self.area.room, 0, flags)

    def __dealloc__(self):
        sqe_free_area(&self.area)

    @property
    def memory(self):
        """Its bytes, to be written to."""
        return memoryview(self)

    @property
    def spilled_bytes(self):
        """Bytes of it that are in files."""
        return spilled_bytes(&self.area)

    def promise(self, size_t bytes_):
        """The first `bytes_` bytes are written from now on."""
        sqe_promise(&self.area, bytes_)

    def expect(self, size_t used, size_t more):
        """Before `more` bytes are written behind the first `used`: much at a time is given large pages."""
        sqe_expect(&self.area, used, more)

    def spill(self, SpillFile file):
        """What has been promised goes to the end of the file, as far as it is worth it: how many bytes; OSError when
        they could not.  Nobody writes meanwhile."""
        return spill_area(&self.area, file)


def reserve(size_t wanted):
    """Zeros to write to, Pages many times as long as the `wanted` bytes that are to be held now.

    None when they are too few to be worth it, or the system gives no addresses."""
    cdef Pages pages = Pages.__new__(Pages)
    pages.area = sqe_reserved_area(wanted)
    return pages if pages.area.at != NULL else None


def let_go(size_t bytes_):
    """Let go the pages of so many bytes that are in files, all of the process taken in turn; how many there were."""
    cdef size_t done
    with nogil:
        done = sqe_let_go(bytes_)
    return done


cdef bint _watched = False


def watch(int statm, size_t high, size_t low):
    """From now on more than `high` bytes of the process in memory, as its open /proc/self/statm says, are too many, and
    `low` are not; 0 for any number."""
    global _watched
    _watched = high > 0
    sqe_watch(statm, high, low)


def breathe():
    """Work goes on now: when too many bytes are in memory let go pages that are in files until few are.  True when that
    is not enough."""
    cdef int full = 0
    if _watched:
        with nogil:
            full = sqe_breathe()
    return full != 0


def breathe_for(int milliseconds):
    """`breathe` every millisecond for some time."""
    cdef int full
    with nogil:
        full = sqe_breathe_for(milliseconds)
    return full != 0
