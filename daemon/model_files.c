#include "daemon/model_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hex.h"
#include "daemon/file_fetch.h"
#include "daemon/progress_log.h"
#include "run/model_parts.h"

static enum ob_err read_list(const struct ob_session *session, struct ob_model_parts *ret_parts,
                             struct ob_error *error) {
    char path[OB_PATH_MAX], *text = NULL;
    size_t bytes = 0;
    enum ob_err failed = ob_path_join(path, session->config->state_dir, OB_MODEL_PARTS_FILE, error);
    if (!failed)
        failed = ob_file_read(path, OB_MODEL_PARTS_BYTES_MAX, &text, &bytes, error);
    if (!failed)
        failed = ob_model_parts_parse(path, text, bytes, ret_parts, error);
    free(text);
    return failed;
}

static enum ob_err fetch_one(const struct ob_session *session, const struct ob_certificate_file *certificate,
                             const char *what, const struct ob_hash *name, uint64_t bytes_max,
                             const char *path, struct ob_error *error) {
    const struct ob_file_wanted wanted = {.what = what, .name = *name, .bytes_max = bytes_max, .path = path};
    return access(path, F_OK) == 0 ? OB_OK : ob_file_fetch(session, certificate, &wanted, error);
}

static enum ob_err fetch_files(const struct ob_session *session,
                               const struct ob_certificate_file *certificate, struct ob_error *error) {
    char folder[OB_PATH_MAX], path[OB_PATH_MAX];
    struct ob_model_parts *parts = calloc(1, sizeof *parts);
    if (!parts)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    enum ob_err failed = read_list(session, parts, error);
    if (!failed)
        failed = ob_path_join(folder, session->config->state_dir, OB_MODEL_PARTS_FOLDER, error);
    if (!failed)
        failed = ob_file_make_folder(folder, 0700, error);
    for (size_t i = 0; i < parts->count && !failed; i++) {
        const struct ob_model_part *part = &parts->parts[i];
        failed = ob_path_join(path, folder, part->file, error);
        if (!failed)
            failed = fetch_one(session, certificate, part->file, &part->name, part->bytes, path, error);
    }
    free(parts);
    return failed;
}

/* A folder is there when all of its files are: what was broken off goes on. */
static bool is_fetched(const struct ob_config *config) {
    char list[OB_PATH_MAX];
    bool begun =
        ob_path_join(list, config->state_dir, OB_MODEL_PARTS_FILE, NULL) == OB_OK && access(list, F_OK) == 0;
    return access(config->model, F_OK) == 0 && !begun;
}

enum ob_err ob_model_files_fetch(const struct ob_session *session,
                                 const struct ob_certificate_file *certificate, struct ob_error *error) {
    const struct ob_config *config = session->config;
    struct ob_hash name;
    char list[OB_PATH_MAX];
    if (!config->model_parts[0] || is_fetched(config) || !certificate)
        return OB_OK;
    if (!ob_hex_decode(config->model_parts, OB_HASH_BYTES, name.bytes))
        return ob_fail(error, OB_EUSAGE, "[run] model_parts is \"%s\", expected 64 hexadecimal digits",
                       config->model_parts);
    enum ob_err failed = ob_path_join(list, config->state_dir, OB_MODEL_PARTS_FILE, error);
    if (!failed)
        failed = fetch_one(session, certificate, "the list of the base model's files", &name,
                           OB_MODEL_PARTS_BYTES_MAX, list, error);
    return failed ? failed : fetch_files(session, certificate, error);
}

/* Of a GGUF file the folder that it is in. */
static enum ob_err folder_of(const char *model, char ret_folder[static OB_PATH_MAX], struct ob_error *error) {
    struct stat info;
    enum ob_err failed = ob_path_append(ret_folder, model, "", error);
    char *slash = failed ? NULL : strrchr(ret_folder, '/');
    if (slash && stat(model, &info) == 0 && S_ISREG(info.st_mode))
        *slash = 0;
    return failed;
}

enum ob_err ob_model_files_share(const struct ob_session *session, struct ob_share *shares, size_t most,
                                 size_t *count, struct ob_error *error) {
    const struct ob_config *config = session->config;
    char folder[OB_PATH_MAX], path[OB_PATH_MAX];
    struct ob_progress_log lines = {.logger = session->logger, .kind = "base"};
    struct ob_progress_callback progress = ob_progress_log_callback(&lines);
    struct ob_model_parts *parts = config->share_model ? calloc(1, sizeof *parts) : NULL;
    if (!config->share_model)
        return OB_OK;
    if (!parts)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    enum ob_err failed = read_list(session, parts, error);
    if (!failed)
        failed = ob_path_join(path, config->state_dir, OB_MODEL_PARTS_FILE, error);
    if (!failed)
        failed = folder_of(config->model, folder, error);
    if (!failed && *count + 1 + parts->count > most)
        failed = ob_fail(error, OB_ETOOBIG, "the base model has too many files to share");
    if (!failed)
        failed = ob_share_open(path, OB_MODEL_PARTS_BYTES_MAX, NULL, NULL, &shares[*count], error);
    *count += !failed;
    for (size_t i = 0; i < parts->count && !failed; i++) {
        failed = ob_path_join(path, folder, parts->parts[i].file, error);
        if (!failed)
            failed = ob_share_open(path, OB_MODEL_PART_BYTES_MAX, NULL, &progress, &shares[*count], error);
        *count += !failed;
    }
    free(parts);
    return failed;
}
