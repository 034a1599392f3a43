/* Memory in files: the beginning of a reservation is turned in place into a mapping of a file that holds the same bytes.

   The mapping is shared, so what is written to it later belongs to the file, too, and its pages can be let go at any
   moment: the next access brings them back, from the system's page cache or from the disk.  What is behind the
   beginning stays plain memory: no write ever needs new space on the disk, which could only be refused by a signal.
   All such memory of the process is on one list, over which a hand goes around when pages are let go (the clock of
   Corbato's page replacement, 1968, without its bits: which pages are in use the page cache knows).
   A child process does not have it: what is shared would be written by two. */

#ifndef SQE_SPILLED_H
#define SQE_SPILLED_H

#if defined(__linux__) && !defined(_GNU_SOURCE)
#define _GNU_SOURCE
#endif

#include "pages.h"

#include <errno.h>
#include <stdint.h>

#if defined(__linux__)
#include <pthread.h>
#include <time.h>
#include <unistd.h>

/* So much is let go with the list locked: whoever frees memory waits for it. */
#define SQE_STRIDE ((size_t)16 << 20)
/* An area goes on into its files when so much, or this part of what is there already, is new. */
#define SQE_PART 64

static pthread_mutex_t sqe_list_lock = PTHREAD_MUTEX_INITIALIZER;
static SqeSpilled sqe_list = {&sqe_list, &sqe_list, NULL, 0, NULL};
static SqeSpilled* sqe_hand = &sqe_list;
static size_t sqe_hand_at = 0;
static size_t sqe_listed = 0;
static int sqe_is_child = 0;

static void sqe_in_child(void) { sqe_is_child = 1; }

static void sqe_forget(SqeSpilled* spilled) {
    if (sqe_is_child) return;
    pthread_mutex_lock(&sqe_list_lock);
    if (sqe_hand == spilled) {
        sqe_hand = spilled->behind;
        sqe_hand_at = 0;
    }
    spilled->before->behind = spilled->behind;
    spilled->behind->before = spilled->before;
    sqe_listed -= spilled->bytes;
    pthread_mutex_unlock(&sqe_list_lock);
    /* Other memory may be in the same file: this part of it gives its space back now. */
    madvise(spilled->at, spilled->bytes, MADV_REMOVE);
    free(spilled);
}

/* `bytes` more at the end of what is listed of `spilled`, or a new entry at `at`; NULL without memory. */
static SqeSpilled* sqe_note(SqeSpilled* spilled, char* at, size_t bytes) {
    static int told = 0;
    if (spilled == NULL) {
        spilled = (SqeSpilled*)calloc(1, sizeof(SqeSpilled));
        if (spilled == NULL) return NULL;
        spilled->at = at;
        spilled->forget = sqe_forget;
        pthread_mutex_lock(&sqe_list_lock);
        if (!told) told = !pthread_atfork(NULL, NULL, sqe_in_child);
        spilled->before = sqe_list.before;
        spilled->behind = &sqe_list;
        sqe_list.before->behind = spilled;
        sqe_list.before = spilled;
    } else {
        pthread_mutex_lock(&sqe_list_lock);
    }
    spilled->bytes += bytes;
    sqe_listed += bytes;
    pthread_mutex_unlock(&sqe_list_lock);
    return spilled;
}

/* Write everything; 0 or the error's number. */
static int sqe_write_all(int file, const char* from, size_t bytes, size_t place) {
    while (bytes) {
        ssize_t written = pwrite(file, from, bytes < SQE_STRIDE ? bytes : SQE_STRIDE, (off_t)place);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return written < 0 ? errno : EIO;
        from += written;
        place += (size_t)written;
        bytes -= (size_t)written;
    }
    return 0;
}

/* Have what is promised of a reservation, and not in a file yet, in one, from `place` on, when it is at least `least`
   bytes: how many, or minus an error's number and nothing has changed. */
static int64_t sqe_spill(SqeArea* area, int file, size_t place, size_t least) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t start = area->spilled ? area->spilled->bytes : 0;
    size_t stop = (area->promised < area->room ? area->promised : area->room) & ~(page - 1);
    SqeSpilled* spilled;
    void* mapped;
    int failure;
    if (!area->reserved || stop < start + least || stop < start + start / SQE_PART || stop == start) return 0;
    failure = sqe_write_all(file, area->at + start, stop - start, place);
    if (failure) return -failure;
    mapped = mmap(NULL, stop - start, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)place);
    if (mapped == MAP_FAILED) return -errno;
    spilled = sqe_note(area->spilled, area->at, 0);
    if (spilled == NULL) {
        munmap(mapped, stop - start);
        return -ENOMEM;
    }
    madvise(mapped, stop - start, MADV_RANDOM);
    madvise(mapped, stop - start, MADV_DONTFORK);
    if (mremap(mapped, stop - start, stop - start, MREMAP_MAYMOVE | MREMAP_FIXED, area->at + start) == MAP_FAILED) {
        failure = errno;
        munmap(mapped, stop - start);
        if (area->spilled == NULL) sqe_forget(spilled);
        return -failure;
    }
    area->spilled = sqe_note(spilled, NULL, stop - start);
    return (int64_t)(stop - start);
}

/* Let go the pages of about so many bytes of what is listed; how many bytes the hand went over. */
static size_t sqe_let_go(size_t bytes) {
    size_t done = 0;
    pthread_mutex_lock(&sqe_list_lock);
    if (bytes > sqe_listed) bytes = sqe_listed;
    while (done < bytes) {
        size_t left, stride;
        if (sqe_hand == &sqe_list || sqe_hand_at >= sqe_hand->bytes) {
            sqe_hand = sqe_hand->behind;
            sqe_hand_at = 0;
            continue;
        }
        left = sqe_hand->bytes - sqe_hand_at;
        stride = left < SQE_STRIDE ? left : SQE_STRIDE;
        madvise(sqe_hand->at + sqe_hand_at, stride, MADV_DONTNEED);
        sqe_hand_at += stride;
        done += stride;
        if (done < bytes) {
            pthread_mutex_unlock(&sqe_list_lock);
            pthread_mutex_lock(&sqe_list_lock);
            if (bytes > sqe_listed) bytes = sqe_listed;
        }
    }
    pthread_mutex_unlock(&sqe_list_lock);
    return done;
}

/* Bytes of the process that are in memory, by its open /proc/self/statm; 0 when it cannot be read. */
static size_t sqe_resident(int statm) {
    char text[128];
    ssize_t size = pread(statm, text, sizeof(text) - 1, 0);
    char* second;
    if (size <= 0) return 0;
    text[size] = 0;
    second = strchr(text, ' ');
    return second == NULL ? 0 : (size_t)strtoull(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static int sqe_statm = -1;
static size_t sqe_high = 0, sqe_low = 0, sqe_due = 0;

/* From now on more than `high` bytes of the process are too many, `low` are not; 0 for any number. */
static void sqe_watch(int statm, size_t high, size_t low) {
    sqe_statm = statm;
    sqe_high = sqe_due = high;
    sqe_low = low;
}

/* When too many bytes of the process are in memory let go what is listed until few are.  1 while letting go all of it is
   not enough; then it is done again each time a quarter of what is between the two has come. */
static int sqe_breathe(void) {
    size_t quarter = (sqe_high - sqe_low) / 4, left = sqe_listed, done = 1, resident;
    if (!sqe_high) return 0;
    resident = sqe_resident(sqe_statm);
    if (resident > sqe_due) {
        while (done && left && resident > sqe_low) {
            done = sqe_let_go(SQE_STRIDE);
            left -= done < left ? done : left;
            resident = sqe_resident(sqe_statm);
        }
        sqe_due = resident + quarter;
    }
    if (resident + quarter < sqe_due) sqe_due = resident + quarter;
    if (sqe_due < sqe_high) sqe_due = sqe_high;
    return sqe_due > sqe_high;
}

/* The same, looked at for so many milliseconds. */
static int sqe_breathe_for(int milliseconds) {
    struct timespec millisecond = {0, 1000000};
    int full = 0;
    while (milliseconds-- > 0) {
        full = sqe_breathe();
        nanosleep(&millisecond, NULL);
    }
    return full;
}

/* A mapping of `bytes` bytes of a file, which begin a page; its place is NULL and errno says why when there is none. */
static SqeArea sqe_map_file(int file, size_t place, size_t bytes) {
    SqeArea area = {0};
    void* mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, (off_t)place);
    if (mapped == MAP_FAILED) return area;
    madvise(mapped, bytes, MADV_DONTFORK);
    area.spilled = sqe_note(NULL, (char*)mapped, bytes);
    if (area.spilled == NULL) {
        munmap(mapped, bytes);
        errno = ENOMEM;
        return area;
    }
    area.at = area.mapping = (char*)mapped;
    area.room = area.reserved = area.promised = bytes;
    return area;
}
#else
static int64_t sqe_spill(SqeArea* area, int file, size_t place, size_t least) { return 0; }
static size_t sqe_let_go(size_t bytes) { return 0; }
static void sqe_watch(int statm, size_t high, size_t low) {}
static int sqe_breathe(void) { return 0; }
static int sqe_breathe_for(int milliseconds) { return 0; }
static SqeArea sqe_map_file(int file, size_t place, size_t bytes) {
    SqeArea area = {0};
    errno = ENOSYS;
    return area;
}
#endif

#endif
