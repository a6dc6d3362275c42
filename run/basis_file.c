#include "run/basis_file.h"

#include "record/file_tree.h"

enum ob_err ob_run_basis_name(const uint8_t *bytes, size_t count, struct ob_hash *ret_name,
                              struct ob_error *error) {
    struct ob_file_tree tree;
    enum ob_err failed = ob_file_tree_new(count, &tree, error);
    if (failed)
        return failed;
    for (uint64_t block = 0; block < tree.blocks[0]; block++)
        tree.hashes[0][block] =
            ob_file_block_hash(0, bytes + block * OB_FILE_BLOCK, ob_file_block_bytes(&tree, 0, block));
    *ret_name = ob_file_tree_finish(&tree);
    ob_file_tree_free(&tree);
    return OB_OK;
}

static enum ob_err check(const struct ob_manifest *manifest, const struct ob_basis *basis,
                         struct ob_error *error) {
    struct ob_hash name;
    size_t count;
    const uint8_t *bytes = ob_basis_bytes(basis, &count);
    enum ob_err failed = ob_run_basis_name(bytes, count, &name, error);
    if (failed)
        return failed;
    if (!ob_hash_equal(&name, &manifest->basis))
        return ob_fail(error, OB_EMISMATCH,
                       "%s: not the basis of run \"%s\", or damaged; copy it again from where the run was "
                       "created, or remove it and let the daemon fetch it",
                       manifest->basis_path, manifest->name);
    if (!ob_hash_equal(&ob_basis_facts(basis)->base_hash, &manifest->base_hash))
        return ob_fail(error, OB_EMISMATCH, "%s: was made for another base model than that of run \"%s\"",
                       manifest->basis_path, manifest->name);
    return OB_OK;
}

enum ob_err ob_run_basis_open(const struct ob_manifest *manifest, struct ob_basis **ret_basis,
                              struct ob_error *error) {
    struct ob_basis *basis = NULL;
    enum ob_err failed = ob_basis_open(manifest->basis_path, &basis, error);
    if (failed == OB_ENOTFOUND)
        return ob_fail(error, failed,
                       "%s: missing; run \"%s\" needs its basis beside the manifest: copy it from where the "
                       "run was created",
                       manifest->basis_path, manifest->name);
    if (failed == OB_EFORMAT || failed == OB_EUNSUPPORTED)
        return ob_fail_within(error, failed,
                              "the basis of run \"%s\" is damaged; copy it again from where the run was "
                              "created, or remove it and let the daemon fetch it",
                              manifest->name);
    if (!failed)
        failed = check(manifest, basis, error);
    if (failed) {
        ob_basis_free(basis);
        return failed;
    }
    *ret_basis = basis;
    return OB_OK;
}
