#include "cli/open_log.h"

enum ob_err ob_cli_open_log(const char *state_dir, const char *manifest_path,
                            struct ob_manifest **ret_manifest, struct ob_store **ret_store,
                            struct ob_error *error) {
    struct ob_manifest *manifest = NULL;
    struct ob_store *store = NULL;
    enum ob_err failed = ob_manifest_read(manifest_path, &manifest, error);
    if (failed)
        return failed;
    struct ob_store_options options = {
        .state_dir = state_dir, .run = manifest->run, .bounds = manifest->bounds};
    failed = ob_store_open(&options, &store, error);
    if (!failed)
        failed = ob_store_hold(store, error);
    if (failed) {
        if (store)
            ob_store_close(store);
        ob_manifest_free(manifest);
        return failed;
    }
    *ret_manifest = manifest;
    *ret_store = store;
    return OB_OK;
}
