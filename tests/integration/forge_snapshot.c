/* forge_snapshot - what a lying member could serve: a snapshot whose values are changed, one of each leaf,
 * and whose hashes are right again.    forge_snapshot MANIFEST FILE [LEAF]: of this leaf alone */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "record/hash.h"
#include "snapshot/file.h"

static enum ob_err forge(const struct ob_manifest *manifest, const char *path, long only,
                         struct ob_error *error) {
    struct ob_snapshot_file *file = NULL;
    int32_t *values = calloc(OB_SPSA_LEAF_ELEMENTS, sizeof *values);
    enum ob_err failed = values ? ob_snapshot_open(path, manifest, &file, error) : OB_ENOMEM;
    FILE *out = failed ? NULL : fopen(path, "r+b");
    uint8_t *table = failed ? NULL : malloc(file->table->table_bytes);
    for (size_t i = 0; !failed && out && i < file->table->leaf_count; i++) {
        if (only >= 0 && i != (size_t)only)
            continue;
        size_t bytes;
        uint64_t at = ob_snapshot_leaf_at(file->table, manifest, i, &bytes);
        failed = ob_snapshot_read_leaf(file, i, values, error);
        values[0] ^= 1;
        struct ob_spsa_leaf leaf = ob_snapshot_leaf(manifest, i);
        file->table->leaves[i] = ob_spsa_leaf_hash(&leaf, values);
        if (!failed && (fseek(out, (long)at, SEEK_SET) != 0 || fwrite(values, 1, bytes, out) != bytes))
            failed = ob_fail(error, OB_EIO, "%s: cannot write", path);
    }
    if (!failed)
        failed = ob_snapshot_encode(file->table, manifest, table, error);
    if (!failed && (fseek(out, 0, SEEK_SET) != 0 ||
                    fwrite(table, 1, file->table->table_bytes, out) != file->table->table_bytes))
        failed = ob_fail(error, OB_EIO, "%s: cannot write", path);
    if (out && fclose(out) != 0 && !failed)
        failed = ob_fail(error, OB_EIO, "%s: cannot write", path);
    free(table);
    free(values);
    ob_snapshot_close(file);
    return failed;
}

int main(int argc, char **argv) {
    struct ob_manifest *manifest = NULL;
    struct ob_error error = {0};
    if (argc < 3 || argc > 4 || sodium_init() < 0)
        return 2;
    enum ob_err failed = ob_manifest_read(argv[1], &manifest, &error);
    if (!failed)
        failed = forge(manifest, argv[2], argc == 4 ? strtol(argv[3], NULL, 10) : -1, &error);
    ob_manifest_free(manifest);
    if (failed)
        fprintf(stderr, "forge_snapshot: %s\n", error.text);
    return failed ? 1 : 0;
}
