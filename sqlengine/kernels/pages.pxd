# cython: language_level=3
"""Areas of memory that grow without copying (pages.h) and may leave for files (spilled.h), for the other kernels."""

cdef extern from "pages.h":
    const size_t SQE_RESERVE_FROM

    ctypedef struct SqeSpilled:
        size_t bytes

    ctypedef struct SqeArea:
        char* at
        size_t room
        SqeSpilled* spilled

    SqeArea sqe_reserved_area(size_t wanted) noexcept nogil
    SqeArea sqe_zeroed_area(size_t bytes) noexcept nogil
    void sqe_promise(SqeArea* area, size_t bytes) noexcept nogil
    void sqe_expect(SqeArea* area, size_t used, size_t more) noexcept nogil
    void sqe_free_area(SqeArea* area) noexcept nogil
    int sqe_widen_area(SqeArea* area, size_t used, size_t wanted, int zeroed) noexcept nogil
    size_t sqe_area_bytes(const SqeArea* area, size_t used) noexcept nogil


cdef Py_ssize_t spill_area(SqeArea* area, SpillFile file) except -1
"""Bytes of an area that went to the end of a file; OSError, and all is as it was, when they could not."""


cdef inline size_t spilled_bytes(const SqeArea* area) noexcept nogil:
    """Bytes of an area that are in files."""
    return area.spilled.bytes if area.spilled != NULL else 0


cdef class SpillFile:
    cdef readonly int descriptor
    cdef readonly size_t size
    cdef readonly size_t least

    cdef void _use(self, size_t bytes_)
