#include "model/formats/gguf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cursor.h"
#include "base/path.h"
#include "model/formats/gguf_tensors.h"

#define HEADER_BYTES  24
#define KEY_BYTES_MAX 65535
#define ENTRIES_MAX   65536
#define ALIGNMENT_MAX (1u << 20)

static const uint8_t MAGIC[4] = "GGUF";

bool ob_gguf_is_file(const char *path) {
    uint8_t start[4] = {0};
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return false;
    FILE *file = fopen(path, "rbe");
    if (!file)
        return false;
    bool same = fread(start, 1, sizeof start, file) == sizeof start && memcmp(start, MAGIC, 4) == 0;
    (void)fclose(file);
    return same;
}

static struct ob_gguf_text read_text(struct ob_reader *in) {
    uint64_t bytes = ob_read_u64(in);
    if (bytes > in->left)
        in->failed = true;
    const uint8_t *data = in->failed ? NULL : ob_read_view(in, (size_t)bytes);
    return (struct ob_gguf_text){(const char *)data, data ? (size_t)bytes : 0};
}

/* Steps over the values of an entry. */
static void skip_values(struct ob_reader *in, const struct ob_gguf_entry *entry) {
    if (entry->type == OB_GGUF_TEXT) {
        for (uint64_t i = 0; i < entry->count && !in->failed; i++)
            (void)read_text(in);
        return;
    }
    uint64_t bytes;
    if (__builtin_mul_overflow(entry->count, ob_gguf_type_bytes(entry->type), &bytes) || bytes > in->left)
        in->failed = true;
    else
        (void)ob_read_view(in, (size_t)bytes);
}

static enum ob_err read_type(const struct ob_gguf *gguf, struct ob_reader *in, struct ob_gguf_entry *entry,
                             bool in_list, struct ob_error *error) {
    uint32_t type = ob_read_u32(in);
    if (in->failed)
        return OB_OK; /* the caller says so */
    if (type >= OB_GGUF_TYPE_COUNT || (in_list && type == OB_GGUF_LIST))
        return ob_fail(error, type < OB_GGUF_TYPE_COUNT ? OB_EUNSUPPORTED : OB_EFORMAT, "%s: entry %.*s %s",
                       ob_gguf_path(gguf), OB_GGUF_QUOTE(entry->key),
                       in_list ? "is a list of lists or of an unknown type" : "has an unknown type");
    entry->type = (enum ob_gguf_type)type;
    return OB_OK;
}

static enum ob_err read_entry(struct ob_gguf *gguf, struct ob_reader *in, struct ob_error *error) {
    struct ob_gguf_entry *entry = &gguf->entries[gguf->entry_count];
    const char *path = ob_gguf_path(gguf);
    entry->start = in->at;
    entry->key = read_text(in);
    if (!in->failed && (entry->key.bytes == 0 || entry->key.bytes > KEY_BYTES_MAX))
        return ob_fail(error, OB_EFORMAT, "%s: entry %zu has a key of %zu bytes, expected 1 to %d", path,
                       gguf->entry_count, entry->key.bytes, KEY_BYTES_MAX);
    enum ob_err failed = read_type(gguf, in, entry, false, error);
    entry->count = 1;
    if (!failed && entry->type == OB_GGUF_LIST) {
        entry->is_list = true;
        failed = read_type(gguf, in, entry, true, error);
        entry->count = ob_read_u64(in);
    }
    if (failed)
        return failed;
    entry->value = in->at;
    skip_values(in, entry);
    entry->end = in->at;
    if (in->failed)
        return ob_fail(error, OB_EFORMAT,
                       "%s: entry %zu (%.*s) lies outside the file; is the file truncated?", path,
                       gguf->entry_count, OB_GGUF_QUOTE(entry->key));
    gguf->entry_count++;
    return OB_OK;
}

static int by_key(const void *a, const void *b) {
    return ob_gguf_compare_keys(a, b);
}

static enum ob_err read_entries(struct ob_gguf *gguf, struct ob_reader *in, uint64_t count,
                                struct ob_error *error) {
    const char *path = ob_gguf_path(gguf);
    if (count > ENTRIES_MAX)
        return ob_fail(error, OB_ETOOBIG, "%s: %" PRIu64 " metadata entries, at most %d are read", path,
                       count, ENTRIES_MAX);
    gguf->entries = calloc((size_t)count + 1, sizeof *gguf->entries);
    if (!gguf->entries)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    while (gguf->entry_count < count) {
        enum ob_err failed = read_entry(gguf, in, error);
        if (failed)
            return failed;
    }
    qsort(gguf->entries, gguf->entry_count, sizeof *gguf->entries, by_key);
    for (size_t i = 1; i < gguf->entry_count; i++)
        if (by_key(&gguf->entries[i - 1], &gguf->entries[i]) == 0)
            return ob_fail(error, OB_EFORMAT, "%s: entry %.*s occurs twice", path,
                           OB_GGUF_QUOTE(gguf->entries[i].key));
    return OB_OK;
}

/* The entry that says how to read the rest. */
static enum ob_err check_entries(struct ob_gguf *gguf, struct ob_error *error) {
    struct ob_gguf_reader reader = {.gguf = gguf, .error = error};
    int64_t alignment = 32;
    (void)ob_gguf_integer(&reader, "general.alignment", 1, ALIGNMENT_MAX, &alignment);
    if (reader.failed)
        return reader.failed;
    if ((alignment & (alignment - 1)) != 0)
        return ob_fail(error, OB_EFORMAT, "%s: general.alignment %" PRId64 " is no power of two",
                       ob_gguf_path(gguf), alignment);
    gguf->alignment = (uint64_t)alignment;
    return OB_OK;
}

static enum ob_err parse_header(struct ob_gguf *gguf, struct ob_reader *in, uint64_t *ret_tensors,
                                uint64_t *ret_entries, struct ob_error *error) {
    const char *path = ob_gguf_path(gguf);
    const uint8_t *magic = ob_read_view(in, sizeof MAGIC);
    if (!magic || memcmp(magic, MAGIC, sizeof MAGIC) != 0)
        return ob_fail(error, OB_EFORMAT, "%s: not a GGUF file (it does not start with \"GGUF\")", path);
    uint32_t version = ob_read_u32(in);
    *ret_tensors = ob_read_u64(in);
    *ret_entries = ob_read_u64(in);
    if (in->failed)
        return ob_fail(error, OB_EFORMAT, "%s: shorter than the header of a GGUF file", path);
    if (version >= 1u << 16)
        return ob_fail(error, OB_EUNSUPPORTED, "%s: big-endian GGUF; only little-endian is supported", path);
    if (version != 2 && version != 3)
        return ob_fail(error, OB_EUNSUPPORTED, "%s: GGUF version %u; 2 and 3 are supported", path, version);
    return OB_OK;
}

static enum ob_err parse(struct ob_gguf *gguf, const struct ob_mapping *file, struct ob_error *error) {
    struct ob_reader in = ob_reader_init(file->data, file->bytes);
    uint64_t tensors = 0, entries = 0;
    enum ob_err failed = parse_header(gguf, &in, &tensors, &entries, error);
    if (!failed)
        failed = read_entries(gguf, &in, entries, error);
    if (!failed)
        failed = check_entries(gguf, error);
    return failed ? failed : ob_gguf_read_tensors(gguf, &in, tensors, error);
}

static enum ob_err new_gguf(const char *name, struct ob_gguf **ret_gguf, struct ob_error *error) {
    struct ob_gguf *gguf = calloc(1, sizeof *gguf);
    if (!gguf)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", name);
    enum ob_err failed = ob_checkpoint_new(name, &gguf->checkpoint, error);
    if (failed)
        free(gguf);
    else
        *ret_gguf = gguf;
    return failed;
}

/* ---- a model in several files: PREFIX-00001-of-00003.gguf and so on, the metadata in the first ---- */

struct split {
    int64_t number, count, tensors; /* split.no from 0, split.count, split.tensors.count or -1 */
};

static enum ob_err read_split(const struct ob_gguf *gguf, struct split *ret_split, struct ob_error *error) {
    struct ob_gguf_reader reader = {.gguf = gguf, .error = error};
    *ret_split = (struct split){.count = 1, .tensors = -1};
    (void)ob_gguf_integer(&reader, "split.no", 0, UINT16_MAX, &ret_split->number);
    (void)ob_gguf_integer(&reader, "split.count", 0, UINT16_MAX, &ret_split->count);
    (void)ob_gguf_integer(&reader, "split.tensors.count", 0, INT32_MAX, &ret_split->tensors);
    return reader.failed;
}

/* The name of part `number` of those that begin with `first`. */
static enum ob_err name_part(const char *first, const struct split *split, int64_t number,
                             char ret_path[OB_PATH_MAX], struct ob_error *error) {
    char ending[64], other[64];
    (void)snprintf(ending, sizeof ending, "-%05d-of-%05d.gguf", 1, (int)split->count);
    (void)snprintf(other, sizeof other, "-%05d-of-%05d.gguf", (int)number + 1, (int)split->count);
    size_t length = strlen(first), tail = strlen(ending);
    if (length < tail || strcmp(first + length - tail, ending) != 0 || length >= OB_PATH_MAX)
        return ob_fail(error, OB_EUSAGE,
                       "%s: the first of %" PRId64
                       " parts of a model must be called NAME%s, and the others likewise",
                       first, split->count, ending);
    (void)snprintf(ret_path, OB_PATH_MAX, "%.*s%s", (int)(length - tail), first, other);
    return OB_OK;
}

static enum ob_err add_part(struct ob_gguf *gguf, const char *path, int64_t number, const struct split *split,
                            struct ob_error *error) {
    struct ob_gguf part = {.checkpoint = gguf->checkpoint};
    const struct ob_mapping *file = NULL;
    struct split its = {0};
    enum ob_err failed = ob_checkpoint_map(gguf->checkpoint, path, HEADER_BYTES, "GGUF", &file, error);
    if (!failed)
        failed = parse(&part, file, error);
    if (!failed)
        failed = read_split(&part, &its, error);
    if (!failed && (its.number != number || its.count != split->count))
        failed = ob_fail(error, OB_EMISMATCH,
                         "%s: is part %" PRId64 " of %" PRId64 ", expected %" PRId64 " of %" PRId64, path,
                         its.number + 1, its.count, number + 1, split->count);
    free(part.entries);
    return failed;
}

static enum ob_err add_parts(struct ob_gguf *gguf, struct ob_error *error) {
    struct split split = {0};
    char path[OB_PATH_MAX];
    enum ob_err failed = read_split(gguf, &split, error);
    if (failed || split.count <= 1)
        return failed;
    if (split.number != 0)
        return ob_fail(error, OB_EUSAGE,
                       "%s: is part %" PRId64 " of %" PRId64 " of a model: give the first one",
                       gguf->checkpoint->path, split.number + 1, split.count);
    for (int64_t i = 1; i < split.count && !failed; i++) {
        failed = name_part(gguf->checkpoint->path, &split, i, path, error);
        if (!failed)
            failed = add_part(gguf, path, i, &split, error);
    }
    if (!failed && split.tensors >= 0 && (uint64_t)split.tensors != gguf->checkpoint->count)
        failed = ob_fail(error, OB_EMISMATCH, "%s: its parts hold %zu tensors, expected %" PRId64,
                         gguf->checkpoint->path, gguf->checkpoint->count, split.tensors);
    return failed;
}

enum ob_err ob_gguf_open(const char *path, struct ob_gguf **ret_gguf, struct ob_error *error) {
    struct ob_gguf *gguf = NULL;
    const struct ob_mapping *file = NULL;
    enum ob_err failed = new_gguf(path, &gguf, error);
    if (failed)
        return failed;
    failed = ob_checkpoint_map(gguf->checkpoint, path, HEADER_BYTES, "GGUF", &file, error);
    if (!failed)
        failed = parse(gguf, file, error);
    if (!failed)
        failed = add_parts(gguf, error);
    if (failed)
        ob_gguf_free(gguf);
    else
        *ret_gguf = gguf;
    return failed;
}

void ob_gguf_free(struct ob_gguf *gguf) {
    if (!gguf)
        return;
    ob_checkpoint_free(gguf->checkpoint);
    free(gguf->entries);
    free(gguf);
}
