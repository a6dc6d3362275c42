#include "model/convert/export.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/access.h"
#include "base/file.h"
#include "model/convert/documents.h"
#include "model/convert/export_gguf.h"
#include "model/convert/export_safetensors.h"
#include "model/families/family.h"
#include "model/formats/gguf.h"
#include "model/formats/json_writer.h"

#define COPY_LIMIT (64u << 20)

static enum ob_err write_text(const char *folder, const char *name, const char *text, size_t bytes,
                              struct ob_error *error) {
    struct ob_output out;
    enum ob_err failed = ob_output_open(&out, folder, name, error);
    if (failed)
        return failed;
    ob_output_write(&out, text, bytes);
    return ob_output_close(&out, OB_OK);
}

static enum ob_err write_json(const json_t *root, const char *folder, const char *name,
                              struct ob_error *error) {
    char *text = ob_json_write(root);
    if (!text)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", folder);
    enum ob_err failed = write_text(folder, name, text, strlen(text), error);
    free(text);
    return failed;
}

static enum ob_err write_config(const struct ob_weight_source *source, enum ob_dtype dtype,
                                const char *folder, struct ob_error *error) {
    static const char *const NAMES[OB_DTYPE_PLAIN_COUNT] = {"float32", "float16", "bfloat16"};
    struct ob_document config = {0};
    enum ob_err failed = ob_document_load(source->model->path, "config.json", &config, error);
    if (failed)
        return failed;
    json_object_set_new(config.root, "torch_dtype", json_string(NAMES[dtype]));
    json_object_set_new(config.root, "tie_word_embeddings", json_boolean(source->model->config.tied));
    failed = write_json(config.root, folder, "config.json", error);
    ob_document_done(&config);
    return failed;
}

/* A file of the base folder as it is; one that is not there is left out. */
static enum ob_err copy_file(const char *from, const char *folder, const char *name, struct ob_error *error) {
    char path[OB_PATH_MAX], *data = NULL;
    size_t bytes = 0;
    enum ob_err failed = ob_path_join(path, from, name, error);
    if (!failed)
        failed = ob_file_read(path, COPY_LIMIT, &data, &bytes, error);
    if (failed)
        return failed == OB_ENOTFOUND ? OB_OK : failed;
    failed = write_text(folder, name, data, bytes, error);
    free(data);
    return failed;
}

/* A document that the metadata of a GGUF file give; one that they do not is left out. */
static enum ob_err make_file(const char *from, const char *folder, const char *name, struct ob_error *error) {
    struct ob_document document = {0};
    enum ob_err failed = ob_document_load(from, name, &document, error);
    if (failed)
        return failed == OB_ENOTFOUND ? OB_OK : failed;
    failed = write_json(document.root, folder, name, error);
    ob_document_done(&document);
    return failed;
}

static enum ob_err write_documents(const char *from, const char *folder, struct ob_error *error) {
    static const char *const NAMES[] = {
        "tokenizer.json", "tokenizer_config.json",  "special_tokens_map.json", "vocab.json",
        "merges.txt",     "generation_config.json", "added_tokens.json",       "chat_template.jinja"};
    enum ob_err failed = OB_OK;
    bool is_gguf = ob_gguf_is_file(from);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES && !failed; i++)
        failed =
            is_gguf ? make_file(from, folder, NAMES[i], error) : copy_file(from, folder, NAMES[i], error);
    return failed;
}

/* The layout of the `peft` package (checked with version 0.21). */
static json_t *adapter_config(const struct ob_model *model) {
    const struct ob_model_config *c = &model->config;
    json_t *targets = json_array();
    for (size_t i = 0; i < model->tensor_count; i++)
        if (model->adapter_of[i] >= 0)
            json_array_append_new(targets, json_stringn(model->tensors[i].name,
                                                        strlen(model->tensors[i].name) - strlen(".weight")));
    return json_pack("{s:s, s:s, s:s, s:i, s:f, s:f, s:s, s:b, s:b, s:o}", "peft_type", "LORA", "task_type",
                     "CAUSAL_LM", "base_model_name_or_path", model->path, "r", (int)c->adapter_rank,
                     "lora_alpha", c->adapter_alpha, "lora_dropout", 0.0, "bias", "none", "fan_in_fan_out",
                     (int)c->family->input_major, "inference_mode", 1, "target_modules", targets);
}

static enum ob_err export_peft(const struct ob_weight_source *source, const struct ob_export_options *options,
                               const char *folder, struct ob_error *error) {
    const struct ob_model *model = source->model;
    struct ob_export_file file = {.name = "adapter_model.safetensors",
                                  .prefix = OB_EXPORT_PEFT_PREFIX,
                                  .first = model->tensor_count,
                                  .count = model->adapter_count};
    json_t *config = adapter_config(model);
    enum ob_err failed = config ? write_json(config, folder, "adapter_config.json", error)
                                : ob_fail(error, OB_ENOMEM, "%s: out of memory", folder);
    json_decref(config);
    return failed ? failed : ob_export_safetensors(source, &file, options, folder, error);
}

/* PEFT's files hold adapters and nothing else. */
static enum ob_err check_peft(const struct ob_weight_source *source, struct ob_error *error) {
    const struct ob_model *model = source->model;
    if (model->adapter_count == 0)
        return ob_fail(error, OB_EUNSUPPORTED,
                       "the run has no adapters; export as safetensors or GGUF instead of PEFT");
    for (size_t i = 0; i < model->tensor_count; i++)
        if (source->trainable[i] >= 0)
            return ob_fail(error, OB_EUNSUPPORTED,
                           "the run also trains tensor %s, which a PEFT export cannot hold; export as "
                           "safetensors, which merges the adapters",
                           model->tensors[i].name);
    return OB_OK;
}

static enum ob_err make_empty_folder(const char *folder, struct ob_error *error) {
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return ob_access_fail_writing(error, folder, "cannot create folder", errno);
    DIR *dir = opendir(folder);
    if (!dir)
        return ob_access_fail_writing(error, folder, "cannot open folder", errno);
    bool empty = true;
    for (const struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            empty = false;
    closedir(dir);
    return empty ? OB_OK : ob_fail(error, OB_EBUSY, "%s: not empty; choose another folder", folder);
}

static enum ob_err write_model(const struct ob_weight_source *source, const struct ob_export_options *options,
                               const char *folder, struct ob_error *error) {
    if (options->format == OB_EXPORT_GGUF)
        return ob_export_gguf(source, options, folder, error);
    if (options->format == OB_EXPORT_PEFT)
        return export_peft(source, options, folder, error);
    struct ob_export_file file = {
        .name = "model.safetensors", .prefix = "", .count = source->model->tensor_count};
    enum ob_err failed = write_config(source, options->dtype, folder, error);
    if (!failed)
        failed = write_documents(source->model->path, folder, error);
    return failed ? failed : ob_export_safetensors(source, &file, options, folder, error);
}

enum ob_err ob_model_export(const struct ob_weight_source *source, const struct ob_export_options *options,
                            const char *folder, struct ob_error *error) {
    assert(source->key == NULL && options->dtype < OB_DTYPE_PLAIN_COUNT);
    enum ob_err failed = options->format == OB_EXPORT_PEFT ? check_peft(source, error) : OB_OK;
    if (!failed)
        failed = make_empty_folder(folder, error);
    if (!failed)
        failed = write_model(source, options, folder, error);
    /* last: what was refused leaves an empty folder */
    if (!failed && options->card)
        failed = write_text(folder, "README.md", options->card, strlen(options->card), error);
    return failed;
}
