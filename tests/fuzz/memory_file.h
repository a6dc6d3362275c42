/* memory_file - a fuzz input as a file that has a path, without touching a disk. */
#ifndef OB_FUZZ_MEMORY_FILE_H
#define OB_FUZZ_MEMORY_FILE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct memory_file {
    int descriptor;
    char path[64];
};

static inline struct memory_file memory_file_new(const uint8_t *data, size_t bytes) {
    struct memory_file file = {.descriptor = memfd_create("input", MFD_CLOEXEC)};
    if (file.descriptor < 0 || write(file.descriptor, data, bytes) != (ssize_t)bytes)
        abort();
    (void)snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.descriptor);
    return file;
}

static inline void memory_file_free(struct memory_file *file) {
    close(file->descriptor);
}

#endif
