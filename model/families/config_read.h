/* config_read - a model's configuration from its config.json, by the table of its family.
 *
 * Errors:  OB_EFORMAT, OB_ETOOBIG, OB_EUNSUPPORTED name the file and the key.
 * Threads: pure functions. */
#ifndef OB_MODEL_FAMILIES_CONFIG_READ_H
#define OB_MODEL_FAMILIES_CONFIG_READ_H

#include <jansson.h>

#include "base/err.h"
#include "model/families/config.h"

/* `root`: a config.json, or what was made in its place (model/convert/documents.h); `path` is its name in
 * messages. */
OB_MUST_USE enum ob_err ob_model_config_read(const json_t *root, const char *path,
                                             struct ob_model_config *ret_config, struct ob_error *error);

#endif
