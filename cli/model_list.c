#include "cli/model_list.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/progress.h"
#include "transfer/share.h"

static bool belongs(const char *file) {
    static const char *const ENDS[] = {".json", ".safetensors", ".model", ".txt", ".jinja"};
    size_t length = strlen(file);
    for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++) {
        size_t end = strlen(ENDS[i]);
        if (length > end && strcmp(file + length - end, ENDS[i]) == 0 && ob_model_parts_good_name(file))
            return true;
    }
    return false;
}

static enum ob_err add(struct ob_model_parts *parts, const char *folder, const char *file,
                       struct ob_error *error) {
    char path[OB_PATH_MAX];
    struct ob_share share = {0};
    struct ob_model_part *part = &parts->parts[parts->count];
    if (parts->count == OB_MODEL_PARTS_MAX)
        return ob_fail(error, OB_EUSAGE, "%s: more than %d files", folder, OB_MODEL_PARTS_MAX);
    if (!ob_model_parts_good_name(file))
        return ob_fail(error, OB_EUSAGE,
                       "%s: rename it: only letters, digits, '.', '_' and '-' can be shared", file);
    struct ob_progress progress = {0};
    struct ob_progress_callback shown = ob_progress_of_bytes(&progress);
    enum ob_err failed = ob_path_join(path, folder, file, error);
    if (!failed)
        failed = ob_share_open(path, OB_MODEL_PART_BYTES_MAX, NULL, &shown, &share, error);
    ob_progress_end(&progress);
    if (failed)
        return failed;
    part->name = share.name;
    part->bytes = share.tree.bytes;
    memcpy(part->file, file, strlen(file) + 1);
    parts->count++;
    ob_share_close(&share);
    return OB_OK;
}

static int only_files(const struct dirent *at) {
    return belongs(at->d_name);
}

static enum ob_err add_folder(struct ob_model_parts *parts, const char *model, struct ob_error *error) {
    struct dirent **entries = NULL;
    int count = scandir(model, &entries, only_files, alphasort);
    enum ob_err failed = count > 0 ? OB_OK : ob_fail(error, OB_ENOTFOUND, "%s: no files of a model", model);
    for (int i = 0; i < count; i++) {
        if (!failed)
            failed = add(parts, model, entries[i]->d_name, error);
        free(entries[i]);
    }
    free(entries);
    return failed;
}

static enum ob_err add_model(struct ob_model_parts *parts, const char *model, struct ob_error *error) {
    char folder[OB_PATH_MAX];
    struct stat info;
    if (stat(model, &info) == 0 && S_ISDIR(info.st_mode))
        return add_folder(parts, model, error);
    enum ob_err failed = ob_path_append(folder, model, "", error);
    char *slash = failed ? NULL : strrchr(folder, '/');
    if (slash)
        *slash = 0;
    return failed ? failed : add(parts, slash ? folder : ".", slash ? slash + 1 : model, error);
}

enum ob_err ob_cli_model_list_make(const char *state_dir, const char *model, struct ob_error *error) {
    char path[OB_PATH_MAX], *text = malloc(OB_MODEL_PARTS_BYTES_MAX);
    struct ob_model_parts *parts = calloc(1, sizeof *parts);
    enum ob_err failed = text && parts ? OB_OK : ob_fail(error, OB_ENOMEM, "out of memory");
    if (!failed)
        failed = ob_path_join(path, state_dir, OB_MODEL_PARTS_FILE, error);
    if (!failed)
        failed = add_model(parts, model, error);
    if (!failed) {
        size_t bytes = ob_model_parts_write(parts, text);
        (void)unlink(path);
        failed = ob_file_write_new(path, text, bytes, 0644, error);
    }
    free(text);
    free(parts);
    return failed;
}

bool ob_cli_model_list_name(const char *state_dir, struct ob_hash *ret_name) {
    char path[OB_PATH_MAX];
    struct ob_share share = {0};
    if (ob_path_join(path, state_dir, OB_MODEL_PARTS_FILE, NULL) != OB_OK ||
        ob_share_open(path, OB_MODEL_PARTS_BYTES_MAX, NULL, NULL, &share, NULL) != OB_OK)
        return false;
    *ret_name = share.name;
    ob_share_close(&share);
    return true;
}
