#include "cli/write_model.h"
#include "base/access.h"
#include "base/file.h"
#include "base/hex.h"
#include "cli/progress.h"
#include "model/convert/export_check.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const OB_CLI_FORMATS[] = {"safetensors", "gguf", "peft", NULL};
const char *const OB_CLI_DTYPES[] = {"f32", "f16", "bf16", NULL};
_Static_assert(sizeof OB_CLI_DTYPES / sizeof *OB_CLI_DTYPES == OB_DTYPE_PLAIN_COUNT + 1, "one name for each");

struct ob_export_options ob_cli_export_options(int format, int dtype) {
    return (struct ob_export_options){.format = (enum ob_export_format)format, .dtype = (enum ob_dtype)dtype};
}

void ob_cli_print_digest(const struct ob_hash *digest) {
    char text[65];
    ob_hex_encode(digest->bytes, sizeof digest->bytes, text);
    printf("weights %s\n", text);
}

/* -1: it does not exist. */
static int entries_of(const char *path) {
    DIR *folder = opendir(path);
    int count = 0;
    if (!folder)
        return access(path, F_OK) == 0 ? 1 : -1;
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return count;
}

enum ob_err ob_cli_check_folder(const char *folder, struct ob_error *error) {
    if (entries_of(folder) <= 0)
        return OB_OK;
    return ob_fail(error, OB_EBUSY, "%s is not an empty folder; choose another name or remove it", folder);
}

/* "out/" is "out.part", not "out/.part". */
static enum ob_err name_part(const char *folder, char ret_path[static OB_PATH_MAX], struct ob_error *error) {
    char trimmed[OB_PATH_MAX];
    size_t bytes = strlen(folder);
    while (bytes > 1 && folder[bytes - 1] == '/')
        bytes--;
    if (bytes >= sizeof trimmed)
        return ob_fail(error, OB_EUSAGE, "%.60s...: the path is too long", folder);
    memcpy(trimmed, folder, bytes);
    trimmed[bytes] = 0;
    return ob_path_append(ret_path, trimmed, ".part", error);
}

static enum ob_err write_curve(const char *folder, const char *curve, struct ob_error *error) {
    char path[OB_PATH_MAX];
    enum ob_err failed = ob_path_join(path, folder, OB_CARD_CURVE, error);
    return failed ? failed : ob_file_write_new(path, curve, strlen(curve), 0644, error);
}

static enum ob_err export_whole(const struct ob_weight_source *source,
                                const struct ob_export_options *options, const char *curve,
                                const char *folder, struct ob_cli_guard *guard, struct ob_error *error) {
    char part[OB_PATH_MAX];
    bool exists = entries_of(folder) >= 0;
    enum ob_err failed = exists ? ob_path_append(part, folder, "", error) : name_part(folder, part, error);
    if (failed)
        return failed;
    if (!exists)
        ob_cli_remove_output(part, false); /* of a command that was killed */
    ob_cli_guard_begin(guard, part, exists);
    failed = ob_model_export(source, options, part, error);
    if (!failed)
        failed = ob_export_check(source, options, part, error);
    if (!failed && curve)
        failed = write_curve(part, curve, error);
    int number = failed ? 0 : ob_cli_guard_finish(guard, exists ? NULL : part, folder);
    if (number)
        failed = ob_access_fail_writing(error, folder, "cannot rename the finished folder to this", number);
    if (!failed)
        return OB_OK;
    ob_cli_remove_output(part, exists);
    ob_cli_guard_done(guard);
    return failed;
}

enum ob_err ob_cli_write_model(const struct ob_replica *replica, struct ob_card *card, const char *folder,
                               struct ob_cli_guard *guard, struct ob_error *error) {
    char *text = NULL;
    enum ob_err failed = ob_card_text(card, &text, error);
    if (failed)
        return failed;
    struct ob_weight_source source = ob_replica_source(replica);
    struct ob_progress progress = {0};
    struct ob_progress_callback shown = ob_progress_of_bytes(&progress);
    struct ob_export_options options = card->options;
    options.card = text;
    options.progress = &shown;
    failed = export_whole(&source, &options, card->curve, folder, guard, error);
    ob_progress_end(&progress);
    free(text);
    if (!failed)
        printf("%s: %" PRIu64 " samples applied to %s\n", folder, replica->samples, card->base);
    return failed;
}
