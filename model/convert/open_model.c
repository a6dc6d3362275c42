#include "model/convert/open_model.h"

#include "model/convert/documents.h"
#include "model/convert/gguf_checkpoint.h"
#include "model/families/config_read.h"
#include "model/formats/gguf.h"
#include "model/formats/safetensors.h"

static enum ob_err read_config(const char *path, struct ob_model_config *ret_config, struct ob_error *error) {
    struct ob_document document = {0};
    enum ob_err failed = ob_document_load(path, "config.json", &document, error);
    if (!failed)
        failed = ob_model_config_read(document.root, document.name, ret_config, error);
    ob_document_done(&document);
    return failed;
}

enum ob_err ob_model_open(const char *path, struct ob_model **ret_model, struct ob_error *error) {
    struct ob_model_config config;
    struct ob_checkpoint *checkpoint = NULL;
    enum ob_err failed = read_config(path, &config, error);
    if (!failed)
        failed = ob_gguf_is_file(path) ? ob_gguf_checkpoint(path, &config, &checkpoint, error)
                                       : ob_safetensors_open_folder(path, &checkpoint, error);
    return failed ? failed : ob_model_assemble(path, &config, checkpoint, ret_model, error);
}
