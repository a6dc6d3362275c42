#include "model/convert/open_tokenizer.h"

#include <stdlib.h>

#include "model/convert/documents.h"

enum ob_err ob_tokenizer_open(const char *model, struct ob_tokenizer **ret_tokenizer,
                              struct ob_error *error) {
    struct ob_error ours;
    error = error == NULL ? &ours : error;
    struct ob_document document = {0};
    enum ob_err err = ob_document_load(model, "tokenizer.json", &document, error);
    if (err == OB_OK)
        err = ob_tokenizer_read(document.root, document.name, ret_tokenizer, error);
    ob_document_done(&document);
    return err;
}

enum ob_err ob_chat_open(const char *model, const char *format, const struct ob_tokenizer *tokenizer,
                         struct ob_chat **ret_chat, struct ob_error *error) {
    struct ob_error ours;
    error = error == NULL ? &ours : error;
    struct ob_document config = {0};
    struct ob_chat_documents documents = {.name = model};
    char *template = NULL;
    enum ob_err err = ob_document_load(model, "tokenizer_config.json", &config, error);
    if (err == OB_OK || err == OB_ENOTFOUND) /* without it, it says nothing */
        err = ob_document_text(model, "chat_template.jinja", &template, &documents.template_bytes, error);
    if (err == OB_OK || err == OB_ENOTFOUND) {
        documents.config = config.root;
        documents.template = template;
        err = ob_chat_new(&documents, format, tokenizer, ret_chat, error);
    }
    free(template);
    ob_document_done(&config);
    return err;
}
