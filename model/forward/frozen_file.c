#include "model/forward/frozen_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access.h"
#include "base/path.h"

#define HEAD_BYTES 4096
#define NAME_BYTES 16 /* of the hash in the file's name */
#define FORMAT     1

struct head {
    char magic[8];
    uint64_t format, bytes, checksum;
    char what[OB_FROZEN_WHAT_MAX];
};

struct ob_frozen_file {
    char path[OB_PATH_MAX], part[OB_PATH_MAX], lock_path[OB_PATH_MAX];
    struct head head;
    uint8_t *mapping; /* head and data; NULL: none */
    int lock;         /* -1: not held */
    bool is_part;     /* the file under `part` is ours, unfinished */
};

/* Four sums that do not wait for each other. */
static uint64_t checksum(const uint8_t *data, size_t bytes) {
    const uint64_t odd = 0x9e3779b97f4a7c15u;
    uint64_t sums[4] = {1, 2, 3, 4}, words[4];
    for (size_t at = 0; at + sizeof words <= bytes; at += sizeof words) {
        memcpy(words, data + at, sizeof words);
        for (int i = 0; i < 4; i++)
            sums[i] = (sums[i] ^ words[i] ^ words[i] >> 29) * odd;
    }
    for (size_t at = bytes / sizeof words * sizeof words; at < bytes; at++)
        sums[0] = (sums[0] ^ data[at]) * odd;
    return ((sums[0] * odd ^ sums[1]) * odd ^ sums[2]) * odd ^ sums[3];
}

static enum ob_err set_paths(struct ob_frozen_file *file, const char *folder, const char *what,
                             struct ob_error *error) {
    uint8_t hash[NAME_BYTES];
    char text[2 * NAME_BYTES + 1], name[64];
    crypto_generichash(hash, sizeof hash, (const uint8_t *)what, strlen(what), NULL, 0);
    (void)sodium_bin2hex(text, sizeof text, hash, sizeof hash);
    (void)snprintf(name, sizeof name, "frozen-%s", text);
    enum ob_err failed = ob_path_join(file->path, folder, name, error);
    (void)snprintf(name, sizeof name, "frozen-%s.part", text);
    if (!failed)
        failed = ob_path_join(file->part, folder, name, error);
    return failed ? failed : ob_path_join(file->lock_path, folder, "frozen.lock", error);
}

/* Waits for whoever packs something in this folder. */
static enum ob_err take_lock(struct ob_frozen_file *file, struct ob_error *error) {
    file->lock = open(file->lock_path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file->lock < 0)
        return ob_access_fail(error, file->lock_path, "cannot open", errno);
    int locked;
    do
        locked = flock(file->lock, LOCK_EX);
    while (locked != 0 && errno == EINTR);
    return locked == 0 ? OB_OK
                       : ob_fail(error, OB_EIO, "%s: cannot lock: %s", file->lock_path, strerror(errno));
}

static void drop_lock(struct ob_frozen_file *file) {
    if (file->lock >= 0) {
        (void)flock(file->lock, LOCK_UN); /* now, whoever else has the descriptor */
        close(file->lock);
    }
    file->lock = -1;
}

static bool is_ours(const struct stat *info, size_t bytes) {
    return S_ISREG(info->st_mode) && info->st_uid == geteuid() &&
           (info->st_mode & (S_IWGRP | S_IWOTH)) == 0 && info->st_size >= 0 &&
           (uint64_t)info->st_size == HEAD_BYTES + bytes;
}

/* Maps the finished file if it is valid. */
static bool map_finished(struct ob_frozen_file *file) {
    struct stat info;
    size_t bytes = (size_t)file->head.bytes;
    int fd = open(file->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    uint8_t *mapping = MAP_FAILED;
    if (fstat(fd, &info) == 0 && is_ours(&info, bytes))
        mapping = mmap(NULL, HEAD_BYTES + bytes, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (mapping == MAP_FAILED)
        return false;
    struct head wanted = file->head;
    wanted.checksum = checksum(mapping + HEAD_BYTES, bytes);
    if (memcmp(mapping, &wanted, sizeof wanted) != 0) {
        munmap(mapping, HEAD_BYTES + bytes);
        return false;
    }
    file->mapping = mapping;
    return true;
}

static enum ob_err begin_part(struct ob_frozen_file *file, struct ob_error *error) {
    size_t bytes = HEAD_BYTES + (size_t)file->head.bytes;
    (void)unlink(file->part); /* of a process that died: we hold the lock */
    int fd = open(file->part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return ob_access_fail(error, file->part, "cannot create", errno);
    file->is_part = true;
    int failed = posix_fallocate(fd, 0, (off_t)bytes); /* a full disk is known now, not by a signal later */
    uint8_t *mapping = failed ? MAP_FAILED : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int why = failed ? failed : errno;
    close(fd);
    if (mapping == MAP_FAILED)
        return ob_fail(error, why == ENOSPC || why == EDQUOT ? OB_EFULL : OB_EIO,
                       "%s: no room for %zu MB of packed weights: %s; free some, or empty frozen_folder in "
                       "[training]",
                       file->part, bytes >> 20, strerror(why));
    file->mapping = mapping;
    return OB_OK;
}

enum ob_err ob_frozen_file_open(const char *folder, const char *what, size_t bytes,
                                struct ob_frozen_file **ret_file, bool *ret_ready, struct ob_error *error) {
    assert(strlen(what) < OB_FROZEN_WHAT_MAX && bytes > 0);
    struct ob_frozen_file *file = calloc(1, sizeof *file);
    if (!file)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", folder);
    file->lock = -1;
    file->head =
        (struct head){.magic = {'O', 'B', 'F', 'R', 'O', 'Z', 'E', 'N'}, .format = FORMAT, .bytes = bytes};
    memcpy(file->head.what, what, strlen(what));
    enum ob_err failed = set_paths(file, folder, what, error);
    if (!failed)
        failed = take_lock(file, error);
    bool ready = !failed && map_finished(file);
    if (!failed && !ready)
        failed = begin_part(file, error);
    if (failed) {
        ob_frozen_file_close(file);
        return failed;
    }
    if (ready)
        drop_lock(file);
    *ret_ready = ready;
    *ret_file = file;
    return OB_OK;
}

uint8_t *ob_frozen_file_data(const struct ob_frozen_file *file) {
    return file->mapping + HEAD_BYTES;
}

enum ob_err ob_frozen_file_finish(struct ob_frozen_file *file, struct ob_error *error) {
    size_t bytes = (size_t)file->head.bytes;
    assert(file->is_part);
    file->head.checksum = checksum(file->mapping + HEAD_BYTES, bytes);
    memcpy(file->mapping, &file->head, sizeof file->head);
    if (rename(file->part, file->path) != 0)
        return ob_access_fail(error, file->path, "cannot rename", errno);
    file->is_part = false;
    drop_lock(file);
    if (mprotect(file->mapping, HEAD_BYTES + bytes, PROT_READ) != 0)
        return ob_fail(error, OB_EIO, "%s: cannot be protected: %s", file->path, strerror(errno));
    return OB_OK;
}

void ob_frozen_file_close(struct ob_frozen_file *file) {
    if (!file)
        return;
    if (file->mapping)
        munmap(file->mapping, HEAD_BYTES + (size_t)file->head.bytes);
    if (file->is_part)
        (void)unlink(file->part);
    drop_lock(file);
    free(file);
}
