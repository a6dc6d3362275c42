#include "snapshot/snapshot.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "record/hash.h"

#define MAGIC         "onebyte-state-1\n"
#define MAGIC_BYTES   16
#define MACHINE_BYTES (OB_KEY_BYTES + 8 + OB_HASH_BYTES)

static uint64_t table_bytes(uint64_t machines, uint64_t leaves) {
    return OB_SNAPSHOT_HEADER_BYTES + machines * MACHINE_BYTES + (leaves + 1) * OB_HASH_BYTES;
}

/* The layout of all tensors in one array, as spsa/leaf.h wants it; NULL: out of memory. */
static struct ob_spsa_tensor *layout_of(const struct ob_manifest *manifest) {
    struct ob_spsa_tensor *layout = calloc(manifest->tensor_count, sizeof *layout);
    for (size_t i = 0; layout && i < manifest->tensor_count; i++)
        layout[i] = manifest->tensors[i].layout;
    return layout;
}

static uint64_t leaves_of_tensor(const struct ob_manifest_tensor *tensor) {
    return (tensor->layout.elements + OB_SPSA_LEAF_ELEMENTS - 1) / OB_SPSA_LEAF_ELEMENTS;
}

static uint64_t leaves_of(const struct ob_manifest *manifest) {
    uint64_t leaves = 0;
    for (size_t i = 0; i < manifest->tensor_count; i++)
        leaves += leaves_of_tensor(&manifest->tensors[i]);
    return leaves;
}

static uint64_t elements_of(const struct ob_manifest *manifest) {
    uint64_t elements = 0;
    for (size_t i = 0; i < manifest->tensor_count; i++)
        elements += manifest->tensors[i].layout.elements;
    return elements;
}

static enum ob_err allocate(const struct ob_manifest *manifest, size_t machine_count,
                            struct ob_snapshot **ret_snapshot, struct ob_error *error) {
    uint64_t leaves = leaves_of(manifest);
    if (machine_count > OB_MACHINES_MAX || table_bytes(machine_count, leaves) > OB_SNAPSHOT_TABLE_MAX)
        return ob_fail(error, OB_ETOOBIG, "a snapshot of %zu machines and %llu leaves is too large",
                       machine_count, (unsigned long long)leaves);
    struct ob_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (!snapshot)
        return ob_fail(error, OB_ENOMEM, "not enough memory for a snapshot");
    snapshot->machine_count = machine_count;
    snapshot->leaf_count = (size_t)leaves;
    snapshot->machines = calloc(machine_count + 1, sizeof *snapshot->machines);
    snapshot->leaves = calloc((size_t)leaves, sizeof *snapshot->leaves);
    snapshot->table_bytes = (size_t)table_bytes(machine_count, leaves);
    snapshot->file_bytes = snapshot->table_bytes + elements_of(manifest) * sizeof(int32_t);
    if (!snapshot->machines || !snapshot->leaves) {
        ob_snapshot_free(snapshot);
        return ob_fail(error, OB_ENOMEM, "not enough memory for a snapshot");
    }
    *ret_snapshot = snapshot;
    return OB_OK;
}

enum ob_err ob_snapshot_new(const struct ob_manifest *manifest, const struct ob_snapshot_machine *machines,
                            size_t machine_count, struct ob_snapshot **ret_snapshot, struct ob_error *error) {
    enum ob_err failed = allocate(manifest, machine_count, ret_snapshot, error);
    for (size_t i = 0; i < machine_count && !failed; i++) {
        assert(machines[i].next.index > 0);
        assert(i == 0 || ob_machine_compare(&machines[i - 1].machine, &machines[i].machine) < 0);
        (*ret_snapshot)->machines[i] = machines[i];
        (*ret_snapshot)->samples += machines[i].next.index;
    }
    return failed;
}

void ob_snapshot_free(struct ob_snapshot *snapshot) {
    if (!snapshot)
        return;
    free(snapshot->machines);
    free(snapshot->leaves);
    free(snapshot);
}

static enum ob_err find_root(const struct ob_snapshot *snapshot, const struct ob_manifest *manifest,
                             struct ob_hash *ret_root, struct ob_error *error) {
    struct ob_spsa_tensor *layout = layout_of(manifest);
    if (!layout)
        return ob_fail(error, OB_ENOMEM, "not enough memory for a snapshot");
    *ret_root = ob_spsa_root_hash(layout, manifest->tensor_count, snapshot->leaves);
    free(layout);
    return OB_OK;
}

enum ob_err ob_snapshot_encode(struct ob_snapshot *snapshot, const struct ob_manifest *manifest,
                               uint8_t *ret_data, struct ob_error *error) {
    enum ob_err failed = find_root(snapshot, manifest, &snapshot->digest, error);
    if (failed)
        return failed;
    struct ob_writer writer = ob_writer_init(ret_data, snapshot->table_bytes);
    ob_write_bytes(&writer, MAGIC, MAGIC_BYTES);
    ob_write_bytes(&writer, manifest->run.hash.bytes, OB_HASH_BYTES);
    ob_write_u64(&writer, snapshot->samples);
    ob_write_u32(&writer, (uint32_t)snapshot->machine_count);
    ob_write_u32(&writer, (uint32_t)snapshot->leaf_count);
    ob_write_bytes(&writer, snapshot->digest.bytes, OB_HASH_BYTES);
    for (size_t i = 0; i < snapshot->machine_count; i++) {
        ob_write_bytes(&writer, snapshot->machines[i].machine.key, OB_KEY_BYTES);
        ob_write_u64(&writer, snapshot->machines[i].next.index);
        ob_write_bytes(&writer, snapshot->machines[i].head.bytes, OB_HASH_BYTES);
    }
    ob_write_bytes(&writer, snapshot->leaves, snapshot->leaf_count * OB_HASH_BYTES);
    snapshot->name = ob_hash_of(ret_data, writer.used);
    ob_write_bytes(&writer, snapshot->name.bytes, OB_HASH_BYTES);
    assert(!writer.failed && writer.used == snapshot->table_bytes);
    return OB_OK;
}

size_t ob_snapshot_table_bytes(const struct ob_manifest *manifest,
                               const uint8_t header[static OB_SNAPSHOT_HEADER_BYTES]) {
    uint64_t machines = ob_load_u32(header + 56), leaves = ob_load_u32(header + 60);
    uint64_t bytes = table_bytes(machines, leaves);
    bool fits = memcmp(header, MAGIC, MAGIC_BYTES) == 0 &&
                memcmp(header + MAGIC_BYTES, manifest->run.hash.bytes, OB_HASH_BYTES) == 0 &&
                machines <= OB_MACHINES_MAX && leaves == leaves_of(manifest) &&
                bytes <= OB_SNAPSHOT_TABLE_MAX;
    return fits ? (size_t)bytes : 0;
}

static enum ob_err check_header(const char *path, const struct ob_manifest *manifest, const uint8_t *data,
                                size_t bytes, struct ob_error *error) {
    if (bytes < OB_SNAPSHOT_HEADER_BYTES || memcmp(data, MAGIC, MAGIC_BYTES) != 0)
        return ob_fail(error, OB_EFORMAT, "%s: not a onebyte snapshot", path);
    if (memcmp(data + MAGIC_BYTES, manifest->run.hash.bytes, OB_HASH_BYTES) != 0)
        return ob_fail(error, OB_EMISMATCH, "%s: belongs to another run", path);
    size_t table = ob_snapshot_table_bytes(manifest, data);
    if (table == 0)
        return ob_fail(error, OB_EFORMAT, "%s: the number of machines or leaves does not match this run",
                       path);
    if (table > bytes)
        return ob_fail(error, OB_EFORMAT, "%s: truncated within the table", path);
    struct ob_hash hash = ob_hash_of(data, table - OB_HASH_BYTES);
    if (memcmp(hash.bytes, data + table - OB_HASH_BYTES, OB_HASH_BYTES) != 0)
        return ob_fail(error, OB_EFORMAT, "%s: damaged: hash mismatch in the table", path);
    return OB_OK;
}

static enum ob_err read_frontier(const char *path, struct ob_reader *reader, struct ob_snapshot *snapshot,
                                 struct ob_error *error) {
    uint64_t sum = 0;
    for (size_t i = 0; i < snapshot->machine_count; i++) {
        struct ob_snapshot_machine *m = &snapshot->machines[i];
        ob_read_bytes(reader, m->machine.key, OB_KEY_BYTES);
        m->next.index = ob_read_u64(reader);
        ob_read_bytes(reader, m->head.bytes, OB_HASH_BYTES);
        if (m->next.index == 0 || m->next.index > INT64_MAX || sum > INT64_MAX)
            return ob_fail(error, OB_EFORMAT, "%s: the frontier has an impossible sample number", path);
        if (i > 0 && ob_machine_compare(&m[-1].machine, &m->machine) >= 0)
            return ob_fail(error, OB_EFORMAT, "%s: the frontier is not sorted", path);
        sum += m->next.index;
    }
    if (sum != snapshot->samples)
        return ob_fail(error, OB_EFORMAT, "%s: the number of samples does not match the frontier", path);
    return OB_OK;
}

static enum ob_err read_table(const char *path, const struct ob_manifest *manifest, struct ob_reader *reader,
                              struct ob_snapshot *snapshot, struct ob_error *error) {
    (void)ob_read_view(reader, MAGIC_BYTES + OB_HASH_BYTES);
    snapshot->samples = ob_read_u64(reader);
    (void)ob_read_view(reader, 8);
    ob_read_bytes(reader, snapshot->digest.bytes, OB_HASH_BYTES);
    enum ob_err failed = read_frontier(path, reader, snapshot, error);
    ob_read_bytes(reader, snapshot->leaves, snapshot->leaf_count * OB_HASH_BYTES);
    ob_read_bytes(reader, snapshot->name.bytes, OB_HASH_BYTES);
    assert(failed || !reader->failed);
    struct ob_hash root;
    if (!failed)
        failed = find_root(snapshot, manifest, &root, error);
    if (!failed && !ob_hash_equal(&root, &snapshot->digest))
        return ob_fail(error, OB_EFORMAT, "%s: the weights digest does not match the leaves", path);
    return failed;
}

enum ob_err ob_snapshot_decode(const char *path, const struct ob_manifest *manifest, const uint8_t *data,
                               size_t bytes, struct ob_snapshot **ret_snapshot, struct ob_error *error) {
    struct ob_snapshot *snapshot = NULL;
    enum ob_err failed = check_header(path, manifest, data, bytes, error);
    if (!failed)
        failed = allocate(manifest, ob_load_u32(data + 56), &snapshot, error);
    if (failed)
        return failed;
    struct ob_reader reader = ob_reader_init(data, snapshot->table_bytes);
    failed = read_table(path, manifest, &reader, snapshot, error);
    if (failed) {
        ob_snapshot_free(snapshot);
        return failed;
    }
    *ret_snapshot = snapshot;
    return OB_OK;
}

bool ob_snapshot_holds(const struct ob_snapshot *snapshot, const struct ob_machine_id *machine,
                       struct ob_sample first) {
    size_t low = 0, high = snapshot->machine_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = ob_machine_compare(&snapshot->machines[middle].machine, machine);
        if (order == 0)
            return first.index < snapshot->machines[middle].next.index;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

struct ob_spsa_leaf ob_snapshot_leaf(const struct ob_manifest *manifest, size_t index) {
    uint64_t left = index;
    uint32_t tensor = 0;
    for (; left >= leaves_of_tensor(&manifest->tensors[tensor]); tensor++) {
        left -= leaves_of_tensor(&manifest->tensors[tensor]);
        assert(tensor + 1 < manifest->tensor_count);
    }
    struct ob_spsa_leaf leaf = ob_spsa_leaf_at(&manifest->tensors[tensor].layout, 1, (size_t)left);
    leaf.tensor = tensor;
    return leaf;
}

uint64_t ob_snapshot_leaf_at(const struct ob_snapshot *snapshot, const struct ob_manifest *manifest,
                             size_t index, size_t *ret_bytes) {
    struct ob_spsa_leaf leaf = ob_snapshot_leaf(manifest, index);
    uint64_t before = leaf.first;
    for (uint32_t t = 0; t < leaf.tensor; t++)
        before += manifest->tensors[t].layout.elements;
    *ret_bytes = leaf.count * sizeof(int32_t);
    return snapshot->table_bytes + before * sizeof(int32_t);
}
