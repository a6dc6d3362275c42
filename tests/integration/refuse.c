/* A preload that makes a file system poorer: REFUSE=flock has no lock service, REFUSE=mmap refuses shared mappings that can
 * be written. REFUSE=pwrite and REFUSE=fsync, once the file REFUSE_WHEN exists: writes or syncs of the log fail (EIO). */
#undef _FILE_OFFSET_BITS /* both names of mmap are replaced */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

static int refused(const char *what) {
    const char *wanted = getenv("REFUSE");
    return wanted && strcmp(wanted, what) == 0;
}

int flock(int fd, int operation) {
    int (*next)(int, int);
    if (refused("flock")) {
        errno = ENOLCK;
        return -1;
    }
    *(void **)&next = dlsym(RTLD_NEXT, "flock");
    return next(fd, operation);
}

static void *map(const char *name, void *address, size_t bytes, int protection, int flags, int fd,
                 off_t offset) {
    void *(*next)(void *, size_t, int, int, int, off_t);
    if (fd >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE) && refused("mmap")) {
        errno = ENODEV;
        return MAP_FAILED;
    }
    *(void **)&next = dlsym(RTLD_NEXT, name);
    return next(address, bytes, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);

void *mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset) {
    return map("mmap", address, bytes, protection, flags, fd, offset);
}

void *mmap64(void *address, size_t bytes, int protection, int flags, int fd, off_t offset) {
    return map("mmap64", address, bytes, protection, flags, fd, offset);
}

/* ---- a disk that fails under the log, from the moment on at which the file REFUSE_WHEN exists ---- */

static int fails(const char *what, int fd) {
    char link[64], path[4096];
    const char *when = getenv("REFUSE_WHEN");
    if (!refused(what) || !when || access(when, F_OK) != 0)
        return 0;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t bytes = readlink(link, path, sizeof path - 1);
    path[bytes < 0 ? 0 : bytes] = 0;
    if (!strstr(path, "/log.sqlite"))
        return 0;
    errno = EIO;
    return 1;
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off_t offset);

ssize_t pwrite64(int fd, const void *data, size_t bytes, off_t offset) {
    ssize_t (*next)(int, const void *, size_t, off_t);
    if (fails("pwrite", fd))
        return -1;
    *(void **)&next = dlsym(RTLD_NEXT, "pwrite64");
    return next(fd, data, bytes, offset);
}

static int sync_one(const char *name, int fd) {
    int (*next)(int);
    if (fails("fsync", fd))
        return -1;
    *(void **)&next = dlsym(RTLD_NEXT, name);
    return next(fd);
}

int fsync(int fd) {
    return sync_one("fsync", fd);
}

int fdatasync(int fd) {
    return sync_one("fdatasync", fd);
}
