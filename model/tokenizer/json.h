/* json - the fields of a JSON object, with their types checked.
 *
 * A field that is not there, or is null, has the value `otherwise`. Messages name the field.
 * Errors: OB_EFORMAT for a wrong type, OB_EUNSUPPORTED. */
#ifndef OB_MODEL_TOKENIZER_JSON_H
#define OB_MODEL_TOKENIZER_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"

/* NULL when it is not there or null. */
const json_t *ob_json_field(const json_t *object, const char *name);
OB_MUST_USE enum ob_err ob_json_bool(const json_t *object, const char *name, bool otherwise, bool *ret_value,
                                     struct ob_error *error);
/* The object's "type"; `what` stands for the object in messages. */
OB_MUST_USE enum ob_err ob_json_type(const json_t *object, const char *what, const char **ret_type,
                                     struct ob_error *error);
/* OB_EUNSUPPORTED unless the field is missing, null, false, 0, or an empty string, array or object. */
OB_MUST_USE enum ob_err ob_json_must_be_empty(const json_t *object, const char *name, struct ob_error *error);
/* Refuses a stage by its type. */
enum ob_err ob_json_unknown_type(const char *type, struct ob_error *error);
/* Hands a stage to `read`, or each one of a Sequence's array `members`, of Sequences in it as well. NULL:
 * nothing to do. Messages begin with `name`. */
OB_MUST_USE enum ob_err ob_json_stages(const json_t *field, const char *name, const char *members,
                                       enum ob_err (*read)(void *context, const json_t *field,
                                                           const char *type, struct ob_error *error),
                                       void *context, struct ob_error *error);

#endif
