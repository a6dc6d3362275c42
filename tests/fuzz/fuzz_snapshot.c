/* fuzz_snapshot - any bytes as a snapshot's table (its hashes are made right, so that the fuzzer gets past them)
 * and as a message of its transfer. What is taken must be the same when it is written again. */
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "record/hash.h"
#include "snapshot/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void try_message(const uint8_t *data, size_t bytes) {
    uint8_t again[OB_SNAPSHOT_MESSAGE_MAX];
    struct ob_snapshot_message message;
    if (ob_snapshot_message_decode(data, bytes, &message) &&
        (ob_snapshot_message_encode(&message, again) != bytes || memcmp(again, data, bytes) != 0))
        abort();
}

static void sign(const struct ob_manifest *manifest, uint8_t *data, size_t bytes) {
    size_t table = bytes < OB_SNAPSHOT_HEADER_BYTES ? 0 : ob_snapshot_table_bytes(manifest, data);
    if (table == 0 || table > bytes)
        return;
    struct ob_spsa_tensor layout[2] = {manifest->tensors[0].layout, manifest->tensors[1].layout};
    const uint8_t *leaves = data + table - 4 * OB_HASH_BYTES;
    struct ob_hash root = ob_spsa_root_hash(layout, 2, (const struct ob_hash *)(const void *)leaves);
    memcpy(data + 64, &root, sizeof root);
    struct ob_hash name = ob_hash_of(data, table - OB_HASH_BYTES);
    memcpy(data + table - OB_HASH_BYTES, &name, sizeof name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct ob_manifest_tensor tensors[2] = {{.layout = {.elements = OB_SPSA_LEAF_ELEMENTS + 7}},
                                            {.layout = {.elements = 5}}}; /* three leaves */
    struct ob_manifest manifest = {.run = {{{1}}}, .tensors = tensors, .tensor_count = 2};
    try_message(data, bytes);
    uint8_t *copy = malloc(bytes + 1), *again = NULL;
    struct ob_snapshot *snapshot = NULL;
    if (copy == NULL)
        abort();
    memcpy(copy, data, bytes);
    sign(&manifest, copy, bytes);
    if (ob_snapshot_decode("snapshot", &manifest, copy, bytes, &snapshot, NULL) == OB_OK) {
        again = malloc(snapshot->table_bytes);
        if (again == NULL || ob_snapshot_encode(snapshot, &manifest, again, NULL) != OB_OK ||
            memcmp(again, copy, snapshot->table_bytes) != 0)
            abort();
        size_t leaf_bytes;
        if (ob_snapshot_leaf_at(snapshot, &manifest, 2, &leaf_bytes) + leaf_bytes != snapshot->file_bytes)
            abort();
    }
    ob_snapshot_free(snapshot);
    free(again);
    free(copy);
    return 0;
}
