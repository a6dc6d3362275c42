#include "daemon/request.h"

#include <jansson.h>
#include <string.h>

#include "base/hex.h"
#include "model/formats/json_value.h"

#define COMMANDS "status, leave, pause, resume, control"

static enum ob_err parse_entry(const json_t *root, struct ob_request *request, struct ob_error *error) {
    const char *text = json_string_value(json_object_get(root, "entry"));
    if (!text || !ob_hex_decode_counted(text, strlen(text), sizeof request->entry, request->entry,
                                        &request->entry_bytes))
        return ob_fail(error, OB_EFORMAT,
                       "\"entry\" must be an even number of hexadecimal digits, at most %zu",
                       2 * sizeof request->entry);
    return OB_OK;
}

static enum ob_err parse(const json_t *root, struct ob_request *request, struct ob_error *error) {
    static const char *const NAMES[] = {[OB_REQUEST_STATUS] = "status",
                                        [OB_REQUEST_LEAVE] = "leave",
                                        [OB_REQUEST_PAUSE] = "pause",
                                        [OB_REQUEST_RESUME] = "resume",
                                        [OB_REQUEST_CONTROL] = "control"};
    const char *command = json_string_value(json_object_get(root, "command"));
    if (!command)
        return ob_fail(error, OB_EFORMAT, "expected {\"command\": NAME} with NAME one of " COMMANDS);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        if (strcmp(command, NAMES[i]) != 0)
            continue;
        request->kind = (enum ob_request_kind)i;
        return request->kind == OB_REQUEST_CONTROL ? parse_entry(root, request, error) : OB_OK;
    }
    return ob_fail(error, OB_EFORMAT, "unknown command; expected one of " COMMANDS);
}

enum ob_err ob_request_parse(const uint8_t *data, size_t bytes, struct ob_request *ret_request,
                             struct ob_error *error) {
    struct ob_request request = {0};
    json_t *root = json_loadb((const char *)data, bytes, JSON_REJECT_DUPLICATES, NULL);
    enum ob_err failed = parse(root, &request, error);
    json_decref(root);
    if (!failed)
        *ret_request = request;
    return failed;
}

static char *text_of(json_t *root) {
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

char *ob_request_done(const char *note) {
    return text_of(note ? json_pack("{s:b, s:o}", "ok", true, "note", ob_json_text(note))
                        : json_pack("{s:b}", "ok", true));
}

char *ob_request_failed(const char *why) {
    return text_of(json_pack("{s:b, s:o}", "ok", false, "error", ob_json_text(why)));
}
