# cython: language_level=3
"""Areas of memory that grow without copying (pages.h), for the other kernels."""

cdef extern from "pages.h":
    const size_t SQE_RESERVE_FROM

    ctypedef struct SqeArea:
        char* at
        size_t room

    SqeArea sqe_reserved_area(size_t wanted) noexcept nogil
    void sqe_expect(SqeArea* area, size_t used, size_t more) noexcept nogil
    void sqe_free_area(SqeArea* area) noexcept nogil
    int sqe_widen_area(SqeArea* area, size_t used, size_t wanted, int zeroed) noexcept nogil
    size_t sqe_area_bytes(const SqeArea* area, size_t used) noexcept nogil
    void* sqe_zeroed(size_t bytes) noexcept nogil
