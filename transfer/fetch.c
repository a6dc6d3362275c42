#include "transfer/fetch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/access.h"
#include "base/file.h"

#define SILENCE_NS 3000000000ull  /* until what a source does not deliver is asked for again */
#define REST_NS    10000000000ull /* for which a source is left alone that has no such file, or is silent */
#define SILENCES   3              /* in a row, until it is */

struct source {
    struct ob_machine_id machine;
    bool lied, named;
    uint64_t heard_ns; /* when it last delivered, or was first asked after a pause */
    uint64_t rests_until_ns;
    unsigned silences, busy; /* busy: its slots */
};

/* A block on its way. */
struct slot {
    bool used;
    uint8_t level;
    uint32_t block;
    size_t source;
};

struct ob_transfer_fetch {
    struct ob_transfer_fetch_options options;
    struct ob_file_tree tree; /* bytes 0: not known yet */
    uint8_t *done[OB_FILE_LEVELS];
    uint64_t next[OB_FILE_LEVELS]; /* below it every block is done or under way */
    uint64_t data_done;            /* blocks of level 0 */
    struct source sources[OB_TRANSFER_SOURCES];
    size_t source_count;
    struct slot slots[OB_TRANSFER_SLOTS];
    struct ob_transfer_progress progress;
    uint64_t now_ns;
    int descriptor;
    bool resumed; /* PATH.part was there */
    bool finished;
    char path[OB_PATH_MAX], part[OB_PATH_MAX];
};

/* ---- the file ---- */

static enum ob_err io_fail(const struct ob_transfer_fetch *f, const char *what, struct ob_error *error) {
    return ob_access_fail(error, f->part, what, errno);
}

static enum ob_err open_part(struct ob_transfer_fetch *f, struct ob_error *error) {
    struct stat info;
    f->descriptor = open(f->part, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (f->descriptor < 0)
        return io_fail(f, "cannot create", error);
    if (fstat(f->descriptor, &info) != 0 || !S_ISREG(info.st_mode))
        return ob_fail(error, OB_EFORMAT, "%s: not a regular file; remove it", f->part);
    f->resumed = info.st_size > 0;
    return OB_OK;
}

static bool read_block(const struct ob_transfer_fetch *f, uint64_t block, uint8_t *data, size_t bytes) {
    size_t have = 0;
    while (have < bytes) {
        ssize_t got = pread(f->descriptor, data + have, bytes - have, (off_t)(block * OB_FILE_BLOCK + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        have += (size_t)got;
    }
    return true;
}

static enum ob_err write_block(const struct ob_transfer_fetch *f, uint64_t block, const uint8_t *data,
                               size_t bytes, struct ob_error *error) {
    for (size_t done = 0; done < bytes;) {
        ssize_t wrote =
            pwrite(f->descriptor, data + done, bytes - done, (off_t)(block * OB_FILE_BLOCK + done));
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return io_fail(f, "cannot write", error);
        done += (size_t)wrote;
    }
    return OB_OK;
}

static enum ob_err finish(struct ob_transfer_fetch *f, struct ob_error *error) {
    char folder[OB_PATH_MAX];
    if (fsync(f->descriptor) != 0)
        return io_fail(f, "cannot write", error);
    if (access(f->path, F_OK) == 0)
        return ob_fail(error, OB_EBUSY, "%s: already exists; remove it", f->path);
    if (rename(f->part, f->path) != 0)
        return io_fail(f, "cannot rename", error);
    const char *slash = strrchr(f->path, '/');
    (void)snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - f->path) + 1 : 1,
                   slash ? f->path : ".");
    enum ob_err failed = ob_file_sync_folder(folder, error);
    f->finished = !failed;
    return failed;
}

/* ---- which blocks are there ---- */

static bool is_done(const struct ob_transfer_fetch *f, unsigned level, uint64_t block) {
    return (f->done[level][block / 8] >> (block % 8)) & 1u;
}

static void set_done(struct ob_transfer_fetch *f, unsigned level, uint64_t block) {
    f->done[level][block / 8] |= (uint8_t)(1u << (block % 8));
    if (level > 0)
        return;
    f->data_done++;
    f->progress.bytes_have += ob_file_block_bytes(&f->tree, 0, block);
}

/* Is its hash known? */
static bool can_be_verified(const struct ob_transfer_fetch *f, unsigned level, uint64_t block) {
    return level + 1 == f->tree.levels || is_done(f, level + 1, block / OB_FILE_CHILDREN);
}

/* The blocks of the file whose hashes have just come, as far as an earlier fetch has left them. */
static void keep_children(struct ob_transfer_fetch *f, uint64_t parent) {
    uint8_t data[OB_FILE_BLOCK];
    uint64_t first = parent * OB_FILE_CHILDREN, end = first + OB_FILE_CHILDREN;
    for (uint64_t block = first; f->resumed && block < end && block < f->tree.blocks[0]; block++) {
        size_t bytes = ob_file_block_bytes(&f->tree, 0, block);
        if (!read_block(f, block, data, bytes))
            return;
        struct ob_hash hash = ob_file_block_hash(0, data, bytes);
        if (!ob_hash_equal(&hash, &f->tree.hashes[0][block]))
            continue;
        set_done(f, 0, block);
        f->progress.bytes_kept += bytes;
    }
}

/* A verified block of the tree or the file. */
static enum ob_err put_block(struct ob_transfer_fetch *f, unsigned level, uint64_t block, const uint8_t *data,
                             size_t bytes, struct ob_error *error) {
    if (level > 0)
        memcpy(ob_file_tree_block(&f->tree, level, block), data, bytes);
    enum ob_err failed = level > 0 ? OB_OK : write_block(f, block, data, bytes, error);
    if (failed)
        return failed;
    set_done(f, level, block);
    if (level == 1)
        keep_children(f, block);
    return OB_OK;
}

/* The name says how long the file is. */
static enum ob_err know_size(struct ob_transfer_fetch *f, uint64_t bytes, struct ob_error *error) {
    if (bytes > f->options.bytes_max)
        return ob_fail(error, OB_ETOOBIG, "%s: has %llu bytes; the maximum is %llu", f->path,
                       (unsigned long long)bytes, (unsigned long long)f->options.bytes_max);
    enum ob_err failed = ob_file_tree_new(bytes, &f->tree, error);
    for (unsigned level = 0; !failed && level < f->tree.levels; level++)
        if (!(f->done[level] = calloc(f->tree.blocks[level] / 8 + 1, 1)))
            failed = ob_fail(error, OB_ENOMEM, "not enough memory for a file of %llu MB",
                             (unsigned long long)(bytes >> 20));
    if (!failed && ftruncate(f->descriptor, (off_t)bytes) != 0)
        failed = io_fail(f, "cannot write", error);
    f->progress.bytes_total = bytes;
    return failed;
}

/* ---- who is asked ---- */

static size_t source_of(const struct ob_transfer_fetch *f, const struct ob_machine_id *machine) {
    size_t s = 0;
    while (s < f->source_count && !ob_machine_equal(&f->sources[s].machine, machine))
        s++;
    return s;
}

static bool usable(const struct ob_transfer_fetch *f, const struct source *s) {
    return !s->lied && f->now_ns >= s->rests_until_ns && s->busy < OB_TRANSFER_A_PEER;
}

/* The source with the fewest blocks under way; source_count: there is none. */
static size_t pick_source(const struct ob_transfer_fetch *f) {
    size_t best = f->source_count;
    for (size_t s = 0; s < f->source_count; s++)
        if (usable(f, &f->sources[s]) &&
            (best == f->source_count || f->sources[s].busy < f->sources[best].busy))
            best = s;
    return best;
}

/* Its blocks are for others. */
static void release_slots(struct ob_transfer_fetch *f, size_t source) {
    for (size_t i = 0; i < OB_TRANSFER_SLOTS; i++) {
        struct slot *slot = &f->slots[i];
        if (!slot->used || slot->source != source)
            continue;
        slot->used = false;
        if (f->tree.bytes > 0 && slot->block < f->next[slot->level])
            f->next[slot->level] = slot->block;
    }
    f->sources[source].busy = 0;
}

static void rest(struct ob_transfer_fetch *f, size_t source) {
    release_slots(f, source);
    f->sources[source].rests_until_ns = f->now_ns + REST_NS;
    f->sources[source].silences = 0;
}

static bool under_way(const struct ob_transfer_fetch *f, unsigned level, uint64_t block) {
    for (size_t i = 0; i < OB_TRANSFER_SLOTS; i++)
        if (f->slots[i].used && f->slots[i].level == level && f->slots[i].block == block)
            return true;
    return false;
}

/* The next block to be asked for: hashes before what they are of. */
static bool next_block(struct ob_transfer_fetch *f, uint8_t *ret_level, uint32_t *ret_block) {
    if (f->tree.bytes == 0) {
        *ret_level = OB_TRANSFER_LAST;
        *ret_block = 0;
        return !under_way(f, OB_TRANSFER_LAST, 0);
    }
    for (unsigned level = f->tree.levels; level-- > 0;) {
        while (f->next[level] < f->tree.blocks[level] &&
               (is_done(f, level, f->next[level]) || under_way(f, level, f->next[level])))
            f->next[level]++;
        if (f->next[level] == f->tree.blocks[level] || !can_be_verified(f, level, f->next[level]))
            continue;
        *ret_level = (uint8_t)level;
        *ret_block = (uint32_t)f->next[level];
        return true;
    }
    return false;
}

/* False: the source could not be asked, and rests. */
static bool ask(struct ob_transfer_fetch *f, struct slot *slot) {
    uint8_t data[OB_TRANSFER_MESSAGE_MAX];
    struct source *s = &f->sources[slot->source];
    struct ob_transfer_message message = {.kind = OB_MESSAGE_FILE_ASK,
                                          .run = f->options.run,
                                          .name = f->options.name,
                                          .level = slot->level,
                                          .block = slot->block};
    if (!f->options.send(f->options.context, &s->machine, data, ob_transfer_message_encode(&message, data))) {
        rest(f, slot->source);
        return false;
    }
    if (s->busy++ == 0)
        s->heard_ns = f->now_ns;
    slot->used = true;
    return true;
}

static void fill_slots(struct ob_transfer_fetch *f) {
    for (size_t i = 0; i < OB_TRANSFER_SLOTS; i++) {
        struct slot *slot = &f->slots[i];
        if (slot->used)
            continue;
        slot->source = pick_source(f);
        if (slot->source == f->source_count || !next_block(f, &slot->level, &slot->block) || !ask(f, slot))
            return;
    }
}

static void tend_silence(struct ob_transfer_fetch *f, size_t source) {
    struct source *s = &f->sources[source];
    if (s->busy == 0 || f->now_ns - s->heard_ns < SILENCE_NS)
        return;
    if (++s->silences >= SILENCES)
        rest(f, source);
    else
        release_slots(f, source);
}

/* ---- answers ---- */

/* The last level's block, by which name and length are verified. */
static bool is_last(const struct ob_transfer_fetch *f, const struct ob_transfer_message *m) {
    unsigned levels = ob_file_tree_levels(m->file_bytes);
    if (levels == 0 || m->level != levels - 1)
        return false;
    struct ob_hash hash = ob_file_block_hash(m->level, m->data, m->bytes),
                   name = ob_file_name(m->file_bytes, &hash);
    return ob_hash_equal(&name, &f->options.name);
}

static bool is_right(const struct ob_transfer_fetch *f, const struct ob_transfer_message *m) {
    if (f->tree.bytes == 0)
        return is_last(f, m);
    if (m->file_bytes != f->tree.bytes || m->bytes != ob_file_block_bytes(&f->tree, m->level, m->block))
        return false;
    struct ob_hash hash = ob_file_block_hash(m->level, m->data, m->bytes);
    return ob_hash_equal(&hash, &f->tree.hashes[m->level][m->block]);
}

static struct slot *slot_of(struct ob_transfer_fetch *f, size_t source, const struct ob_transfer_message *m) {
    bool sized = f->tree.bytes > 0;
    for (size_t i = 0; i < OB_TRANSFER_SLOTS; i++) {
        struct slot *slot = &f->slots[i];
        if (slot->used && slot->source == source && slot->block == m->block &&
            slot->level == (sized ? m->level : OB_TRANSFER_LAST))
            return slot;
    }
    return NULL;
}

enum ob_err ob_transfer_fetch_take(struct ob_transfer_fetch *f, const struct ob_machine_id *from,
                                   const struct ob_transfer_message *m, uint64_t now_ns,
                                   struct ob_error *error) {
    size_t source = source_of(f, from);
    f->now_ns = now_ns;
    if (m->kind != OB_MESSAGE_FILE_BLOCK || source == f->source_count ||
        !ob_hash_equal(&m->name, &f->options.name) || f->sources[source].lied || f->finished)
        return OB_OK;
    if (m->file_bytes == 0) {
        rest(f, source);
        return OB_OK;
    }
    struct slot *slot = slot_of(f, source, m);
    if (!slot)
        return OB_OK; /* late, or never asked for */
    if (!is_right(f, m)) {
        release_slots(f, source);
        f->sources[source].lied = true;
        return OB_OK;
    }
    f->sources[source].heard_ns = now_ns;
    f->sources[source].silences = 0;
    f->sources[source].busy--;
    slot->used = false;
    enum ob_err failed = f->tree.bytes == 0 ? know_size(f, m->file_bytes, error) : OB_OK;
    if (!failed)
        failed = put_block(f, m->level, m->block, m->data, m->bytes, error);
    if (!failed)
        fill_slots(f);
    return failed;
}

/* ---- the whole ---- */

enum ob_err ob_transfer_fetch_new(const struct ob_transfer_fetch_options *options,
                                  struct ob_transfer_fetch **ret_fetch, struct ob_error *error) {
    struct ob_transfer_fetch *f = calloc(1, sizeof *f);
    if (!f)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory to fetch it", options->path);
    f->options = *options;
    f->descriptor = -1;
    enum ob_err failed = ob_path_append(f->path, options->path, "", error);
    if (!failed)
        failed = ob_path_append(f->part, options->path, ".part", error);
    if (!failed && access(f->path, F_OK) == 0)
        failed = ob_fail(error, OB_EBUSY, "%s: already exists; remove it", f->path);
    if (!failed)
        failed = open_part(f, error);
    if (failed) {
        ob_transfer_fetch_free(f);
        return failed;
    }
    *ret_fetch = f;
    return OB_OK;
}

void ob_transfer_fetch_free(struct ob_transfer_fetch *f) {
    if (!f)
        return;
    if (f->descriptor >= 0)
        close(f->descriptor);
    ob_file_tree_free(&f->tree);
    for (unsigned level = 0; level < OB_FILE_LEVELS; level++)
        free(f->done[level]);
    free(f);
}

void ob_transfer_fetch_from(struct ob_transfer_fetch *f, const struct ob_machine_id *machine) {
    size_t s = source_of(f, machine);
    if (s < f->source_count)
        f->sources[s].rests_until_ns = 0;
    else if (f->source_count < OB_TRANSFER_SOURCES)
        f->sources[f->source_count++] = (struct source){.machine = *machine};
}

enum ob_err ob_transfer_fetch_tend(struct ob_transfer_fetch *f, uint64_t now_ns, bool *ret_done,
                                   struct ob_error *error) {
    f->now_ns = now_ns;
    for (size_t s = 0; s < f->source_count; s++)
        tend_silence(f, s);
    enum ob_err failed = OB_OK;
    if (!f->finished && f->tree.bytes > 0 && f->data_done == f->tree.blocks[0])
        failed = finish(f, error);
    else if (!f->finished)
        fill_slots(f);
    *ret_done = f->finished;
    return failed;
}

struct ob_transfer_progress ob_transfer_fetch_progress(const struct ob_transfer_fetch *f) {
    return f->progress;
}

bool ob_transfer_fetch_liar(struct ob_transfer_fetch *f, struct ob_machine_id *ret_machine) {
    for (size_t s = 0; s < f->source_count; s++)
        if (f->sources[s].lied && !f->sources[s].named) {
            f->sources[s].named = true;
            *ret_machine = f->sources[s].machine;
            return true;
        }
    return false;
}
