#include "model/formats/document.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/limits.h"
#include "model/formats/json_reader.h"

static enum ob_err parse(const char *data, size_t bytes, const char *path, json_t **ret_root,
                         struct ob_error *error) {
    json_t *root = NULL;
    enum ob_err failed = ob_json_read(data, bytes, OB_JSON_LENIENT, &root, error);
    if (failed)
        return ob_fail_within(error, failed, "%s", path);
    if (json_is_object(root)) {
        *ret_root = root;
        return OB_OK;
    }
    json_decref(root);
    return ob_fail(error, OB_EFORMAT, "%s: not a JSON object", path);
}

enum ob_err ob_document_read(const char *folder, const char *name, struct ob_document *ret_document,
                             struct ob_error *error) {
    struct ob_document document = {0};
    char *data = NULL;
    size_t bytes = 0;
    enum ob_err failed = ob_path_join(document.name, folder, name, error);
    if (!failed)
        failed = ob_file_read(document.name, OB_JSON_BYTES_MAX, &data, &bytes, error);
    if (!failed)
        failed = parse(data, bytes, document.name, &document.root, error);
    free(data);
    if (!failed)
        *ret_document = document;
    return failed;
}

void ob_document_done(struct ob_document *document) {
    json_decref(document->root);
    *document = (struct ob_document){0};
}
