#include "cli/open_log.h"

enum ob_err ob_cli_open_store(const char *state_dir, const struct ob_manifest *manifest,
                              struct ob_store **ret_store, struct ob_error *error) {
    struct ob_store_options options = {
        .state_dir = state_dir, .run = manifest->run, .bounds = manifest->bounds};
    struct ob_store *store = NULL;
    enum ob_err failed = ob_store_open(&options, &store, error);
    if (!failed)
        failed = ob_store_hold(store, error);
    if (failed)
        ob_store_close(store);
    else
        *ret_store = store;
    return failed;
}

enum ob_err ob_cli_open_log(const struct ob_cli_place *place, struct ob_manifest **ret_manifest,
                            struct ob_store **ret_store, struct ob_error *error) {
    struct ob_manifest *manifest = NULL;
    enum ob_err failed = ob_manifest_read(place->manifest, &manifest, error);
    if (failed)
        return failed;
    failed = ob_cli_open_store(place->state_dir, manifest, ret_store, error);
    if (failed)
        ob_manifest_free(manifest);
    else
        *ret_manifest = manifest;
    return failed;
}
