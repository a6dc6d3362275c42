/* fuzz_gguf - any bytes as a GGUF file: refused, or a model all of whose numbers can be read. */
#include <stdlib.h>

#include "model/convert/documents.h"
#include "model/convert/open_model.h"
#include "tests/fuzz/memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void read_all(const struct ob_model *model) {
    float values[256];
    for (size_t t = 0; t < model->tensor_count; t++)
        for (uint64_t at = 0; at < model->tensors[t].elements; at += 256) {
            uint64_t left = model->tensors[t].elements - at;
            ob_model_read(model, t, at, left < 256 ? (size_t)left : 256, values);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static const char *const NAMES[] = {"config.json", "tokenizer.json", "tokenizer_config.json"};
    struct memory_file file = memory_file_new(data, bytes);
    struct ob_model *model = NULL;
    for (size_t i = 0; i < 3; i++) {
        struct ob_document document = {0};
        if (ob_document_load(file.path, NAMES[i], &document, NULL) == OB_OK)
            ob_document_done(&document);
    }
    if (ob_model_open(file.path, &model, NULL) == OB_OK)
        read_all(model);
    ob_model_free(model);
    memory_file_free(&file);
    return 0;
}
