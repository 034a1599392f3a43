/* Memory for state that grows: without copying what is there, in pages of 2 MiB where the system has them.

   An area of at least SQE_RESERVE_FROM bytes is a reservation of addresses: memory is taken page by page as it is first
   touched, so growing inside it moves nothing and costs no call.  Who adds much at a time gets large pages: they come
   zeroed some eight times as fast as small ones, and probes at random seldom walk the page table.  Who adds little gets
   small ones, as the first touch of a large one can take milliseconds.  Where addresses can not be reserved (no mmap, a limit on
   address space) an area is grown by realloc.  The first bytes of a reservation can be in a file (spilled.h): they stay
   at their addresses, and whoever reads or writes them does not notice.  This file must not know what is kept. */

#ifndef SQE_PAGES_H
#define SQE_PAGES_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#define SQE_HUGE ((size_t)1 << 21)
#define SQE_RESERVE_FROM ((size_t)1 << 20)
#define SQE_RESERVE_LEAST ((size_t)1 << 32)
#define SQE_RESERVE_FACTOR 16
#define SQE_MUCH ((size_t)1 << 17) /* at a time */

/* Memory that is in a file, listed so that its pages can be let go; `forget` takes it off the list and frees this. */
typedef struct SqeSpilled {
    struct SqeSpilled* before;
    struct SqeSpilled* behind;
    char* at;
    size_t bytes;
    void (*forget)(struct SqeSpilled*);
} SqeSpilled;

/* An area: `room` usable bytes at `at`; `reserved` is the size of the mapping, 0 when it comes from malloc.  What lies
   behind the first `promised` bytes may be untouched; the first `spilled->bytes` are in files. */
typedef struct {
    char* at;
    size_t room;
    char* mapping;
    size_t reserved;
    size_t promised;
    SqeSpilled* spilled;
} SqeArea;

#if defined(__linux__)
/* Zeroed addresses for `bytes` bytes, aligned to large pages; NULL when the system refuses. */
static inline char* sqe_reserve(size_t bytes, char** mapping, size_t* reserved) {
    size_t whole = ((bytes + SQE_HUGE - 1) & ~(SQE_HUGE - 1)) + SQE_HUGE;
    void* found;
    if (whole < bytes) return NULL;
    found = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (found == MAP_FAILED) return NULL;
    *mapping = (char*)found;
    *reserved = whole;
    return (char*)(((size_t)found + SQE_HUGE - 1) & ~(SQE_HUGE - 1));
}
static inline void sqe_unreserve(char* mapping, size_t reserved) { munmap(mapping, reserved); }
/* Large pages for what is not touched yet of `more` bytes behind the first `used` at an aligned place. */
static inline void sqe_large_pages(char* at, size_t used, size_t more) {
    size_t first = (used + SQE_HUGE - 1) & ~(SQE_HUGE - 1);
    size_t last = (used + more + SQE_HUGE - 1) & ~(SQE_HUGE - 1);
    if (last > first) madvise(at + first, last - first, MADV_HUGEPAGE);
}
#else
static inline char* sqe_reserve(size_t bytes, char** mapping, size_t* reserved) { return NULL; }
static inline void sqe_unreserve(char* mapping, size_t reserved) {}
static inline void sqe_large_pages(char* at, size_t used, size_t more) {}
#endif

static inline void sqe_free_area(SqeArea* area) {
    if (area->spilled) area->spilled->forget(area->spilled);
    if (area->reserved) sqe_unreserve(area->mapping, area->reserved);
    else free(area->at);
    memset(area, 0, sizeof(*area));
}

/* A zeroed reservation for an area that is to hold `wanted` bytes and to grow; it has no place when it is too small to be
   worth one or the system refuses. */
static inline SqeArea sqe_reserved_area(size_t wanted) {
    SqeArea area = {0};
    size_t most = wanted * SQE_RESERVE_FACTOR;
    if (wanted < SQE_RESERVE_FROM) return area;
    area.at = sqe_reserve(most > SQE_RESERVE_LEAST ? most : SQE_RESERVE_LEAST, &area.mapping, &area.reserved);
    if (area.at != NULL) area.room = area.reserved - SQE_HUGE;
    return area;
}

/* The first `bytes` bytes may be written from now on. */
static inline void sqe_promise(SqeArea* area, size_t bytes) {
    if (bytes > area->promised) area->promised = bytes;
}

/* Before `more` bytes are added behind the first `used`. */
static inline void sqe_expect(SqeArea* area, size_t used, size_t more) {
    sqe_promise(area, used + more);
    if (area->reserved && more >= SQE_MUCH) {
        size_t left = area->room - used;
        sqe_large_pages(area->at, used, more < left ? more : left);
    }
}

/* Make room for `wanted` bytes, the first `used` of which are kept; 0 when there is no memory (the area is as it was).
   Bytes never used are zero when the area is `zeroed` at every call. */
static inline int sqe_widen_area(SqeArea* area, size_t used, size_t wanted, int zeroed) {
    SqeArea wider;
    size_t room = wanted > 2 * area->room ? wanted : 2 * area->room;
    if (wanted <= area->room) {
        sqe_promise(area, wanted);
        return 1;
    }
    wider = sqe_reserved_area(room);
    if (wider.at == NULL) {
        wider.room = room;
        wider.at = (char*)(zeroed ? calloc(room, 1) : malloc(room));
        if (wider.at == NULL) return 0;
    }
    if (wanted >= used + SQE_MUCH) sqe_expect(&wider, 0, wanted);
    sqe_promise(&wider, wanted);
    if (area->at != NULL) memcpy(wider.at, area->at, used < area->room ? used : area->room);
    sqe_free_area(area);
    *area = wider;
    return 1;
}

/* Bytes an area holds when `used` of them are: addresses reserved but never touched are no memory. */
static inline size_t sqe_area_bytes(const SqeArea* area, size_t used) { return area->reserved ? used : area->room; }

/* An area of `bytes` zeroed bytes that will not grow, in large pages when it fills some; no place without memory. */
static inline SqeArea sqe_zeroed_area(size_t bytes) {
    SqeArea area = {0};
    if (bytes >= SQE_RESERVE_FROM) area.at = sqe_reserve(bytes, &area.mapping, &area.reserved);
    if (area.at == NULL) area.at = (char*)calloc(bytes, 1);
    else if (bytes >= SQE_HUGE) sqe_large_pages(area.at, 0, bytes);
    area.room = area.promised = area.at == NULL ? 0 : bytes;
    return area;
}

#endif
