#include "cli/base.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/progress.h"
#include "model/convert/open_model.h"

#define DEPTH_MAX 4 /* folders below a cache: models--X/snapshots/REVISION */
#define LOOKS_MAX 4096

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

/* Bytes of the weights in a folder, or of a GGUF file; 0: there are none. */
static uint64_t weight_bytes(const char *model) {
    struct stat info;
    uint64_t bytes = 0;
    char path[OB_PATH_MAX];
    if (stat(model, &info) != 0)
        return 0;
    if (S_ISREG(info.st_mode))
        return ends_with(model, ".gguf") ? (uint64_t)info.st_size : 0;
    DIR *folder = opendir(model);
    for (const struct dirent *at; folder && (at = readdir(folder));)
        if (ends_with(at->d_name, ".safetensors") && ob_path_join(path, model, at->d_name, NULL) == OB_OK &&
            stat(path, &info) == 0)
            bytes += (uint64_t)info.st_size;
    if (folder)
        closedir(folder);
    return bytes;
}

/* The last part of a path; of a snapshot in the Hugging Face cache the model's. */
static void name_of(const char *model, char ret_name[static OB_NAME_MAX]) {
    char path[OB_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s", model);
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        path[--length] = 0;
    char *snapshots = strstr(path, "/snapshots/");
    if (snapshots)
        *snapshots = 0;
    const char *slash = strrchr(path, '/');
    (void)snprintf(ret_name, OB_NAME_MAX, "%.*s", OB_NAME_MAX - 1, slash ? slash + 1 : path);
}

void ob_cli_base_describe(const char *model, char ret_name[static OB_NAME_MAX], uint64_t *ret_bytes) {
    name_of(model, ret_name);
    *ret_bytes = weight_bytes(model);
}

const char *ob_cli_model_file(const char *given, char ret_model[static OB_PATH_MAX]) {
    char path[OB_PATH_MAX];
    size_t count = 0;
    (void)snprintf(ret_model, OB_PATH_MAX, "%.*s", OB_PATH_MAX - 1, given);
    DIR *folder = opendir(given);
    bool whole = folder && ob_path_join(path, given, "config.json", NULL) == OB_OK && access(path, F_OK) == 0;
    for (const struct dirent *at; folder && !whole && (at = readdir(folder));)
        if (ends_with(at->d_name, ".gguf") && ob_path_join(path, given, at->d_name, NULL) == OB_OK &&
            ++count == 1)
            memcpy(ret_model, path, strlen(path) + 1);
    if (folder)
        closedir(folder);
    if (count > 1)
        (void)snprintf(ret_model, OB_PATH_MAX, "%.*s", OB_PATH_MAX - 1, given);
    return ret_model;
}

uint64_t ob_cli_elements(const struct ob_manifest_tensor *tensor) {
    uint64_t count = 1;
    for (uint32_t i = 0; i < tensor->dims; i++)
        count *= tensor->shape[i];
    return count;
}

enum ob_err ob_cli_base_check(const char *path, const struct ob_hash *base_hash, struct ob_error *error) {
    struct ob_model *model = NULL;
    struct ob_hash hash;
    struct ob_progress progress = {0};
    struct ob_progress_callback shown = ob_progress_of_bytes(&progress);
    enum ob_err failed = ob_model_open(path, &model, error);
    if (!failed)
        failed = ob_model_hash(model, &shown, &hash, error);
    ob_progress_end(&progress);
    if (!failed && !ob_hash_equal(&hash, base_hash))
        failed = ob_fail(error, OB_EMISMATCH, "%s: not the run's base model: the hash of its weights differs",
                         path);
    ob_model_free(model);
    return failed;
}

/* ---- looking for it ---- */

struct looking {
    const struct ob_token *token;
    size_t looks;
    bool found;
    char model[OB_PATH_MAX];
};

static void try_model(struct looking *looking, const char *path) {
    char name[OB_NAME_MAX];
    uint64_t bytes = weight_bytes(path);
    if (bytes == 0)
        return;
    name_of(path, name);
    bool likely = bytes == looking->token->base_bytes || strcmp(name, looking->token->base_name) == 0;
    if (!likely || ob_cli_base_check(path, &looking->token->base_hash, NULL) != OB_OK)
        return;
    (void)snprintf(looking->model, sizeof looking->model, "%s", path);
    looking->found = true;
}

static void look_into(struct looking *looking, const char *path, unsigned depth) {
    char below[OB_PATH_MAX];
    DIR *folder = opendir(path);
    if (!folder)
        return;
    try_model(looking, path);
    for (const struct dirent *at; !looking->found && looking->looks < LOOKS_MAX && (at = readdir(folder));) {
        if (at->d_name[0] == '.' || strcmp(at->d_name, "blobs") == 0 ||
            ob_path_join(below, path, at->d_name, NULL) != OB_OK)
            continue;
        looking->looks++;
        if (ends_with(at->d_name, ".gguf"))
            try_model(looking, below);
        else if (depth > 0)
            look_into(looking, below, depth - 1);
    }
    closedir(folder);
}

static void look_in(struct looking *looking, const char *root, const char *below) {
    char path[OB_PATH_MAX];
    if (!looking->found && root && root[0] && ob_path_join(path, root, below, NULL) == OB_OK)
        look_into(looking, path, DEPTH_MAX);
}

enum ob_err ob_cli_base_find(const struct ob_token *token, char ret_model[static OB_PATH_MAX],
                             struct ob_error *error) {
    struct looking looking = {.token = token};
    const char *home = getenv("HOME");
    look_in(&looking, getenv("HF_HUB_CACHE"), "");
    look_in(&looking, getenv("HF_HOME"), "hub");
    look_in(&looking, home, ".cache/huggingface/hub");
    look_in(&looking, getenv("LLAMA_CACHE"), "");
    look_in(&looking, home, ".cache/llama.cpp");
    look_in(&looking, home, "models");
    look_in(&looking, ".", "models");
    if (!looking.found)
        return ob_fail(
            error, OB_ENOTFOUND,
            "the base model%s%s (%.1f MB of weights) is not in the Hugging Face or llama.cpp cache, nor in "
            "~/models: give --model FOLDER or FILE.gguf",
            token->base_name[0] ? " " : "", token->base_name, (double)token->base_bytes / 1e6);
    memcpy(ret_model, looking.model, sizeof looking.model);
    return OB_OK;
}
