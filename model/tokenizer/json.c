#include "model/tokenizer/json.h"

#include <string.h>

#include "model/tokenizer/utf8.h"

#define DEPTH_MAX 4

const json_t *ob_json_field(const json_t *object, const char *name) {
    const json_t *field = json_object_get(object, name);
    return json_is_null(field) ? NULL : field;
}

enum ob_err ob_json_bool(const json_t *object, const char *name, bool otherwise, bool *ret_value,
                         struct ob_error *error) {
    const json_t *field = ob_json_field(object, name);
    if (field != NULL && !json_is_boolean(field))
        return ob_fail(error, OB_EFORMAT, "\"%s\" is not true or false", name);
    *ret_value = field == NULL ? otherwise : json_is_true(field);
    return OB_OK;
}

enum ob_err ob_json_type(const json_t *object, const char *what, const char **ret_type,
                         struct ob_error *error) {
    if (!json_is_object(object))
        return ob_fail(error, OB_EFORMAT, "%s is not an object", what);
    const char *type = json_string_value(ob_json_field(object, "type"));
    if (type == NULL)
        return ob_fail(error, OB_EFORMAT, "%s has no \"type\"", what);
    *ret_type = type;
    return OB_OK;
}

enum ob_err ob_json_unknown_type(const char *type, struct ob_error *error) {
    char quote[OB_QUOTE_BYTES];
    return ob_fail(error, OB_EUNSUPPORTED, "\"%s\" is not supported",
                   ob_utf8_quote(type, strlen(type), quote));
}

/* One walk through the stages. */
struct stages {
    const char *members;
    enum ob_err (*read)(void *context, const json_t *field, const char *type, struct ob_error *error);
    void *context;
    struct ob_error *error;
};

static enum ob_err walk(const struct stages *stages, const json_t *field, unsigned depth) {
    const char *type;
    enum ob_err err = ob_json_type(field, "it", &type, stages->error);
    if (err != OB_OK || strcmp(type, "Sequence") != 0)
        return err != OB_OK ? err : stages->read(stages->context, field, type, stages->error);
    const json_t *members = ob_json_field(field, stages->members);
    if (!json_is_array(members))
        return ob_fail(stages->error, OB_EFORMAT, "Sequence has no \"%s\" array", stages->members);
    if (depth == DEPTH_MAX)
        return ob_fail(stages->error, OB_ETOOBIG, "Sequences nested more than %d deep", DEPTH_MAX);
    for (size_t i = 0; err == OB_OK && i < json_array_size(members); i++)
        err = walk(stages, json_array_get(members, i), depth + 1);
    return err;
}

enum ob_err ob_json_stages(const json_t *field, const char *name, const char *members,
                           enum ob_err (*read)(void *context, const json_t *field, const char *type,
                                               struct ob_error *error),
                           void *context, struct ob_error *error) {
    struct ob_error ours;
    struct stages stages = {members, read, context, error == NULL ? &ours : error};
    if (field == NULL)
        return OB_OK;
    enum ob_err err = walk(&stages, field, 0);
    return err != OB_OK ? ob_fail_within(stages.error, err, "%s", name) : OB_OK;
}

static bool is_empty(const json_t *field) {
    switch (json_typeof(field)) {
    case JSON_OBJECT:
        return json_object_size(field) == 0;
    case JSON_ARRAY:
        return json_array_size(field) == 0;
    case JSON_STRING:
        return json_string_length(field) == 0;
    case JSON_INTEGER:
    case JSON_REAL:
        return !(json_number_value(field) > 0 || json_number_value(field) < 0);
    case JSON_FALSE:
    case JSON_NULL:
        return true;
    default:
        return false;
    }
}

enum ob_err ob_json_must_be_empty(const json_t *object, const char *name, struct ob_error *error) {
    const json_t *field = json_object_get(object, name);
    if (field == NULL || is_empty(field))
        return OB_OK;
    if (!json_is_string(field))
        return ob_fail(error, OB_EUNSUPPORTED, "\"%s\" is not supported", name);
    char quote[OB_QUOTE_BYTES];
    return ob_fail(error, OB_EUNSUPPORTED, "\"%s\": \"%s\" is not supported", name,
                   ob_utf8_quote(json_string_value(field), json_string_length(field), quote));
}
