#include "transfer/share.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access.h"

#define JOB_BLOCKS 32 /* a megabyte of the file */
#define TELL_JOBS  16 /* between two words to `progress` */

static bool read_at(int descriptor, uint8_t *data, size_t bytes, uint64_t offset) {
    while (bytes > 0) {
        ssize_t got = pread(descriptor, data, bytes, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        data += got;
        bytes -= (size_t)got;
        offset += (uint64_t)got;
    }
    return true;
}

struct hash_job {
    struct ob_share *share;
    size_t done; /* jobs before these */
    _Atomic bool failed;
};

static void hash_blocks(void *context, size_t index, unsigned thread) {
    (void)thread;
    struct hash_job *job = context;
    struct ob_share *share = job->share;
    uint8_t data[OB_FILE_BLOCK];
    uint64_t first = (uint64_t)(job->done + index) * JOB_BLOCKS, end = first + JOB_BLOCKS;
    for (uint64_t block = first; block < end && block < share->tree.blocks[0]; block++) {
        size_t bytes = ob_file_block_bytes(&share->tree, 0, block);
        if (read_at(share->descriptor, data, bytes, block * OB_FILE_BLOCK))
            share->tree.hashes[0][block] = ob_file_block_hash(0, data, bytes);
        else
            job->failed = true;
    }
}

static enum ob_err hash_file(const char *path, struct ob_share *share, struct ob_pool *pool,
                             const struct ob_progress_callback *progress, struct ob_error *error) {
    struct hash_job job = {.share = share};
    size_t jobs = (size_t)((share->tree.blocks[0] + JOB_BLOCKS - 1) / JOB_BLOCKS);
    enum ob_err failed = OB_OK;
    while (job.done < jobs && !failed) {
        size_t part = jobs - job.done < TELL_JOBS ? jobs - job.done : TELL_JOBS;
        uint64_t done = (uint64_t)job.done * JOB_BLOCKS * OB_FILE_BLOCK;
        failed = ob_progress_tell(progress, "hashing the files", done, share->tree.bytes, error);
        if (!failed)
            ob_pool_run(pool, part, hash_blocks, &job);
        job.done += part;
    }
    if (failed)
        return failed;
    if (job.failed)
        return ob_fail(error, OB_EIO, "%s: cannot read it whole; was it changed meanwhile?", path);
    share->name = ob_file_tree_finish(&share->tree);
    return OB_OK;
}

enum ob_err ob_share_open(const char *path, uint64_t bytes_max, struct ob_pool *pool,
                          const struct ob_progress_callback *progress, struct ob_share *ret_share,
                          struct ob_error *error) {
    struct ob_share share = {.descriptor = open(path, O_RDONLY | O_CLOEXEC)};
    struct stat info;
    if (share.descriptor < 0)
        return ob_access_fail(error, path, "cannot open", errno);
    enum ob_err failed = OB_OK;
    if (fstat(share.descriptor, &info) != 0 || !S_ISREG(info.st_mode))
        failed = ob_fail(error, OB_EFORMAT, "%s: not a regular file", path);
    else if (info.st_size <= 0 || (uint64_t)info.st_size > bytes_max)
        failed = ob_fail(error, OB_ETOOBIG, "%s: has %lld bytes; expected 1 to %llu", path,
                         (long long)info.st_size, (unsigned long long)bytes_max);
    if (!failed)
        failed = ob_file_tree_new((uint64_t)info.st_size, &share.tree, error);
    if (!failed)
        failed = hash_file(path, &share, pool, progress, error);
    if (failed) {
        ob_share_close(&share);
        return failed;
    }
    *ret_share = share;
    return OB_OK;
}

void ob_share_close(struct ob_share *share) {
    if (share->tree.bytes > 0 || share->descriptor > 0)
        close(share->descriptor);
    ob_file_tree_free(&share->tree);
    *share = (struct ob_share){0};
}

bool ob_share_read(const struct ob_share *share, unsigned level, uint64_t block, uint8_t *ret_data,
                   size_t *ret_bytes) {
    if (level >= share->tree.levels || block >= share->tree.blocks[level])
        return false;
    size_t bytes = ob_file_block_bytes(&share->tree, level, block);
    if (level > 0)
        memcpy(ret_data, ob_file_tree_block(&share->tree, level, block), bytes);
    else if (!read_at(share->descriptor, ret_data, bytes, block * OB_FILE_BLOCK))
        return false;
    *ret_bytes = bytes;
    return true;
}
