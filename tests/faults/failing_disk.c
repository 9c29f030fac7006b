/*
 * A disk that fails when it is told to: LD_PRELOAD this library into a process.
 *
 * FAILING_DISK_FOLDER    files below this absolute path live on the failing disk
 * FAILING_DISK_CONTROL   a file of CONTROL_OCTETS that says what fails now; see struct control
 *
 * The control file is mapped shared, so that a change takes effect with the next call.  While it is
 * all zeros nothing but one load from memory is added to a call.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct control {
    volatile int32_t write_errno;   /* of everything that writes or makes a file larger; 0 = none */
    volatile int32_t sync_errno;    /* of fsync and fdatasync */
    volatile int32_t open_errno;    /* of opening a file for writing */
    volatile int32_t sync_delay_ms; /* before each fsync and fdatasync */
    volatile int64_t failures;      /* counted here: calls that were made to fail */
    volatile int64_t syncs;         /* counted here: calls of fsync and fdatasync, failed or not */
};

static struct control nothing;
static struct control *control = &nothing;
static char folder[4096];
static size_t folder_length;

#define REAL(name) \
    static __typeof__(name) *real; \
    if (real == NULL) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void connect_control(void)
{
    const char *path = getenv("FAILING_DISK_CONTROL");
    const char *below = getenv("FAILING_DISK_FOLDER");
    if (path == NULL || below == NULL) return;
    snprintf(folder, sizeof folder, "%s/", below);
    folder_length = strlen(folder);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *map = fd < 0 ? MAP_FAILED
                       : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        fprintf(stderr, "failing_disk: cannot map %s: %s\n", path, strerror(errno));
        abort();
    }
    close(fd);
    control = map;
}

static int is_ours(int fd)
{
    char link[64], path[sizeof folder];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = saved;
    return length > (ssize_t)folder_length && memcmp(path, folder, folder_length) == 0;
}

/* Whether a call on `fd` is to fail with `error`; sets errno then. */
static int fails(int32_t error, int fd)
{
    if (error == 0 || !is_ours(fd)) return 0;
    __sync_fetch_and_add(&control->failures, 1);
    errno = error;
    return 1;
}

ssize_t write(int fd, const void *octets, size_t count)
{
    REAL(write);
    return fails(control->write_errno, fd) ? -1 : real(fd, octets, count);
}

ssize_t pwrite(int fd, const void *octets, size_t count, off_t at)
{
    REAL(pwrite);
    return fails(control->write_errno, fd) ? -1 : real(fd, octets, count, at);
}

ssize_t pwrite64(int fd, const void *octets, size_t count, off64_t at)
{
    REAL(pwrite64);
    return fails(control->write_errno, fd) ? -1 : real(fd, octets, count, at);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    REAL(writev);
    return fails(control->write_errno, fd) ? -1 : real(fd, pieces, count);
}

int ftruncate(int fd, off_t size)
{
    REAL(ftruncate);
    return fails(control->write_errno, fd) ? -1 : real(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    REAL(ftruncate64);
    return fails(control->write_errno, fd) ? -1 : real(fd, size);
}

int posix_fallocate(int fd, off_t from, off_t octets)
{
    REAL(posix_fallocate);
    return fails(control->write_errno, fd) ? errno : real(fd, from, octets);
}

int posix_fallocate64(int fd, off64_t from, off64_t octets)
{
    REAL(posix_fallocate64);
    return fails(control->write_errno, fd) ? errno : real(fd, from, octets);
}

/* Whether a sync of `fd` is to fail, after its delay. */
static int sync_fails(int fd)
{
    int32_t delay_ms = control->sync_delay_ms;
    if (control == &nothing || !is_ours(fd)) return 0;
    __sync_fetch_and_add(&control->syncs, 1);
    if (delay_ms > 0) {
        struct timespec delay = {delay_ms / 1000, delay_ms % 1000 * 1000000L};
        nanosleep(&delay, NULL);
    }
    return fails(control->sync_errno, fd);
}

int fsync(int fd)
{
    REAL(fsync);
    return sync_fails(fd) ? -1 : real(fd);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return sync_fails(fd) ? -1 : real(fd);
}

/* Whether opening `path` with `flags` is to fail. */
static int open_fails(const char *path, int flags)
{
    if (control->open_errno == 0 || (flags & O_ACCMODE) == O_RDONLY) return 0;
    if (strncmp(path, folder, folder_length) != 0) return 0;
    __sync_fetch_and_add(&control->failures, 1);
    errno = control->open_errno;
    return 1;
}

#define OPENS(name, parameters, arguments) \
    int name parameters \
    { \
        REAL(name); \
        mode_t mode = 0; \
        if (flags & O_CREAT) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        return open_fails(path, flags) ? -1 : real arguments; \
    }

OPENS(open, (const char *path, int flags, ...), (path, flags, mode))
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode))
OPENS(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode))
OPENS(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode))
