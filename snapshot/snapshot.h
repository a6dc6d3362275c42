/* snapshot - the weights of a run at one frontier, as a file: base ⊕ the records that it names, so that they
 * need not be replayed. Any two peers whose logs hold the same records below a round make the same bytes.
 *
 *   OFFSET        SIZE  FIELD (little-endian)
 *   0             16    "onebyte-state-1\n"
 *   16            32    run id, the hash of the manifest
 *   48            8     samples of the frontier in all
 *   56            4     machines m, 0 … OB_MACHINES_MAX
 *   60            4     leaves l: as many as the run's tensors have (spsa/leaf.h)
 *   64            32    weights digest: the root over the leaves' hashes
 *   96            72 m  frontier, ascending keys: 32 machine, 8 next sample (at least 1), 32 hash of its record that
 *                       ends there
 *   …             32 l  the leaves' hashes
 *   …             32    BLAKE2b-256 of all before: names the snapshot
 *   T             4 e   the values of each leaf in order, int32, e elements in all
 *
 * Valid if and only if all of that holds, the file ends there, and each leaf has its hash. T is at most
 * OB_SNAPSHOT_TABLE_MAX. Each leaf can be checked alone.
 *
 * Errors:  OB_EFORMAT (damaged), OB_EMISMATCH (another run's or model's), OB_EFULL, OB_EIO, OB_ENOMEM:
 *          name the file.
 * Owns:    a snapshot owns its arrays; free accepts NULL.
 * Threads: one at a time. */
#ifndef OB_SNAPSHOT_SNAPSHOT_H
#define OB_SNAPSHOT_SNAPSHOT_H

#include "run/manifest.h"
#include "run/replica.h"
#include "spsa/leaf.h"

#define OB_SNAPSHOT_TABLE_MAX (64u << 20)

struct ob_snapshot_machine {
    struct ob_machine_id machine;
    struct ob_sample next; /* records below count, none of the others */
    struct ob_hash head;   /* of its record that ends there */
};

/* A snapshot without its values. */
struct ob_snapshot {
    uint64_t samples;
    size_t machine_count, leaf_count;
    struct ob_snapshot_machine *machines; /* sorted by key */
    struct ob_hash *leaves;
    struct ob_hash digest, name;
    size_t table_bytes;  /* T */
    uint64_t file_bytes; /* of the whole file */
};

/* A frontier alone: room for its leaves' hashes is made, they are zeros. Copies `machines` (sorted). */
OB_MUST_USE enum ob_err ob_snapshot_new(const struct ob_manifest *manifest,
                                        const struct ob_snapshot_machine *machines, size_t machine_count,
                                        struct ob_snapshot **ret_snapshot, struct ob_error *error);
void ob_snapshot_free(struct ob_snapshot *snapshot);
/* Fills in digest and name from the leaves. ret_data: table_bytes. */
OB_MUST_USE enum ob_err ob_snapshot_encode(struct ob_snapshot *snapshot, const struct ob_manifest *manifest,
                                           uint8_t *ret_data, struct ob_error *error);
/* `data`: a table, or a file's beginning that holds all of it. `path` is for messages. */
OB_MUST_USE enum ob_err ob_snapshot_decode(const char *path, const struct ob_manifest *manifest,
                                           const uint8_t *data, size_t bytes,
                                           struct ob_snapshot **ret_snapshot, struct ob_error *error);
/* How long the table is, from its first OB_SNAPSHOT_HEADER_BYTES. 0: these cannot be the run's. */
#define OB_SNAPSHOT_HEADER_BYTES 96
size_t ob_snapshot_table_bytes(const struct ob_manifest *manifest,
                               const uint8_t header[static OB_SNAPSHOT_HEADER_BYTES]);

/* The record counts in the snapshot. */
bool ob_snapshot_holds(const struct ob_snapshot *snapshot, const struct ob_machine_id *machine,
                       struct ob_sample first);
/* Leaf number `index` of all, as spsa/leaf.h has it. */
struct ob_spsa_leaf ob_snapshot_leaf(const struct ob_manifest *manifest, size_t index);
/* Where leaf `index` lies in the file, and how long it is. */
uint64_t ob_snapshot_leaf_at(const struct ob_snapshot *snapshot, const struct ob_manifest *manifest,
                             size_t index, size_t *ret_bytes);
#endif
