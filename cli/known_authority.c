#include "cli/known_authority.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "cli/open_log.h"
#include "run/admission.h"

static enum ob_err folder_of(const char *path, char ret_folder[static OB_PATH_MAX], struct ob_error *error) {
    enum ob_err failed = ob_path_append(ret_folder, path, "", error);
    char *slash = failed ? NULL : strrchr(ret_folder, '/');
    if (slash)
        slash[slash == ret_folder ? 1 : 0] = 0;
    else if (!failed)
        memcpy(ret_folder, ".", 2);
    return failed;
}

/* An entry that does not hold is left out; `verify` is there to say so. */
static enum ob_err add_entry(void *context, const void *data, size_t bytes, struct ob_error *error) {
    enum ob_err failed = ob_admission_add(context, data, bytes, error);
    return failed == OB_ENOMEM ? failed : OB_OK;
}

/* False: there is no log of this run, or it cannot be read. */
static bool authority_of_log(const char *folder, const struct ob_run_id *run,
                             struct ob_machine_id *ret_authority) {
    struct ob_cli_at at = {.state_dir = folder};
    struct ob_cli_place place;
    struct ob_manifest *manifest = NULL;
    struct ob_store *store = NULL;
    struct ob_admission *admission = NULL;
    char log[OB_PATH_MAX];
    if (ob_path_join(log, folder, "log.sqlite", NULL) || access(log, R_OK) != 0 ||
        ob_cli_find(&at, OB_NEED_MANIFEST, &place, NULL) || ob_cli_open_log(&place, &manifest, &store, NULL))
        return false;
    bool known = ob_hash_equal(&manifest->run.hash, &run->hash) &&
                 !ob_admission_new(&manifest->run, &manifest->authority, &admission, NULL) &&
                 !ob_store_each_control(store, add_entry, admission, NULL);
    if (known) {
        ob_admission_settle(admission);
        *ret_authority = ob_admission_authority(admission);
    }
    ob_admission_free(admission);
    ob_store_close(store);
    ob_manifest_free(manifest);
    return known;
}

enum ob_err ob_cli_check_authority(const char *authority_path, const struct ob_machine_id *key,
                                   const char *path, const struct ob_certificate_file *file,
                                   struct ob_error *error) {
    char folder[OB_PATH_MAX], text[OB_HEX_KEY_MAX];
    struct ob_machine_id expected = file->authority;
    enum ob_err failed = folder_of(path, folder, error);
    if (failed)
        return failed;
    bool of_log = authority_of_log(folder, &file->certificate.run, &expected);
    if (ob_machine_equal(&expected, key))
        return OB_OK;
    ob_machine_to_text(&expected, text);
    if (of_log)
        return ob_fail(
            error, OB_EMISMATCH,
            "%s: is not the run's authority: the log in %s says that it is %s; use the file of that key",
            authority_path, folder, text);
    return ob_fail(error, OB_EMISMATCH,
                   "%s: is not the key %s that signed %s; use the file of that key. If the authority was "
                   "rotated since, give "
                   "--state STATE_DIR of a running daemon, which knows its key; without a daemon, sign a new "
                   "one with `onebyte invite`",
                   authority_path, text, path);
}
