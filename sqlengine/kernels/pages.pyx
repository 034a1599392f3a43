# cython: language_level=3
"""Addresses reserved for an array that grows: memory is taken as it is touched, and what is there never moves.

`pages_reference.py` reserves nothing; whoever asks then copies as the array grows.
This file must not know what the arrays hold.
"""

from cpython.buffer cimport PyBuffer_FillInfo

from sqlengine.kernels.pages cimport SqeArea, sqe_expect, sqe_free_area, sqe_reserved_area


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

    def expect(self, size_t used, size_t more):
        """Before `more` bytes are written behind the first `used`: much at a time is given large pages."""
        sqe_expect(&self.area, used, more)


def reserve(size_t wanted):
    """Zeros to write to, Pages many times as long as the `wanted` bytes that are to be held now.

    None when they are too few to be worth it, or the system gives no addresses."""
    cdef Pages pages = Pages.__new__(Pages)
    pages.area = sqe_reserved_area(wanted)
    return pages if pages.area.at != NULL else None
