/* A preload that makes a file system poorer: REFUSE=flock has no lock service, REFUSE=mmap refuses shared mappings that can
 * be written. */
#undef _FILE_OFFSET_BITS /* both names of mmap are replaced */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>

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
