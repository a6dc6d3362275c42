#include "model/tokenizer_json.h"

#include <string.h>

#include "model/tokenizer_utf8.h"

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
