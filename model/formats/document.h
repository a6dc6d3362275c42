/* document - one JSON file beside a checkpoint, or what was made in its place (model/convert/documents.h).
 *
 * Errors:  OB_ENOTFOUND, OB_EIO, OB_ETOOBIG, OB_EFORMAT: name the file.
 * Owns:    the caller owns the document; done accepts a zeroed one.
 * Threads: pure functions. */
#ifndef OB_MODEL_FORMATS_DOCUMENT_H
#define OB_MODEL_FORMATS_DOCUMENT_H

#include <jansson.h>

#include "base/err.h"
#include "base/path.h"

struct ob_document {
    json_t *root;           /* an object */
    char name[OB_PATH_MAX]; /* for messages: FOLDER/config.json, or the GGUF file */
};

/* Reads FOLDER/NAME, leniently (model/formats/json_reader.h). */
OB_MUST_USE enum ob_err ob_document_read(const char *folder, const char *name,
                                         struct ob_document *ret_document, struct ob_error *error);
void ob_document_done(struct ob_document *document);

#endif
