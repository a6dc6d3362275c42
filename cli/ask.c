#include "cli/ask.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"
#include "transport/status_client.h"

#define TIMEOUT_MS 10000

static enum ob_err read_answer(const char *state_dir, const char *answer, json_t **ret_answer,
                               struct ob_error *error) {
    json_t *root = json_loads(answer, 0, NULL);
    if (!root)
        return ob_fail(error, OB_EFORMAT, "%s: the daemon's answer is not JSON", state_dir);
    if (!json_is_true(json_object_get(root, "ok"))) {
        const char *why = json_string_value(json_object_get(root, "error"));
        enum ob_err code =
            ob_fail(error, OB_ESTATE, "%s: %s", state_dir, why ? why : "the daemon refused the request");
        json_decref(root);
        return code;
    }
    *ret_answer = root;
    return OB_OK;
}

enum ob_err ob_cli_ask(const char *state_dir, const json_t *request, json_t **ret_answer,
                       struct ob_error *error) {
    char *answer = NULL;
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    if (!text)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    enum ob_err failed = ob_status_ask(state_dir, text, TIMEOUT_MS, &answer, error);
    free(text);
    if (!failed)
        failed = read_answer(state_dir, answer, ret_answer, error);
    free(answer);
    return failed;
}

enum ob_err ob_cli_ask_command(const char *state_dir, const char *command, json_t **ret_answer,
                               struct ob_error *error) {
    json_t *request = json_pack("{s:s}", "command", command);
    enum ob_err failed = ob_cli_ask(state_dir, request, ret_answer, error);
    json_decref(request);
    return failed;
}

int ob_cli_tell(const struct ob_cli_at *at, const char *command) {
    struct ob_error error = {0};
    struct ob_cli_place place;
    json_t *answer = NULL;
    if (ob_cli_find(at, OB_NEED_STATE_DIR, &place, &error) ||
        ob_cli_ask_command(place.state_dir, command, &answer, &error))
        return ob_cli_fail(&error);
    const char *note = json_string_value(json_object_get(answer, "note"));
    if (note)
        printf("%s\n", note);
    json_decref(answer);
    return OB_EXIT_DONE;
}
