#include "cli/table.h"

#include <unistd.h>

#include "cli/open_log.h"

static enum ob_err add_entry(void *context, const void *data, size_t bytes, struct ob_error *error) {
    enum ob_err failed = ob_admission_add(context, data, bytes, error);
    return failed == OB_ENOMEM ? failed : OB_OK;
}

enum ob_err ob_cli_admission_of(const struct ob_manifest *manifest, struct ob_store *store,
                                struct ob_admission **ret_admission, struct ob_error *error) {
    struct ob_admission *admission = NULL;
    enum ob_err failed = ob_admission_new(&manifest->run, &manifest->authority, &admission, error);
    if (!failed && store)
        failed = ob_store_each_control(store, add_entry, admission, error);
    if (failed) {
        ob_admission_free(admission);
        return failed;
    }
    ob_admission_settle(admission);
    *ret_admission = admission;
    return OB_OK;
}

enum ob_err ob_cli_table_read(const struct ob_cli_place *place, struct ob_cli_table *ret_table,
                              struct ob_error *error) {
    char log[OB_PATH_MAX];
    struct ob_cli_table table = {0};
    struct ob_store *store = NULL;
    enum ob_err failed = ob_path_join(log, place->state_dir, "log.sqlite", error);
    bool there = !failed && access(log, F_OK) == 0;
    if (!failed)
        failed = ob_manifest_read(place->manifest, &table.manifest, error);
    if (!failed && there)
        failed = ob_cli_open_store(place->state_dir, table.manifest, &store, error);
    if (!failed)
        failed = ob_cli_admission_of(table.manifest, store, &table.admission, error);
    ob_store_close(store);
    if (failed) {
        ob_cli_table_free(&table);
        return failed;
    }
    *ret_table = table;
    return OB_OK;
}

void ob_cli_table_free(struct ob_cli_table *table) {
    ob_admission_free(table->admission);
    ob_manifest_free(table->manifest);
    *table = (struct ob_cli_table){0};
}
