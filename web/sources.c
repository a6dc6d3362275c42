#include "web/sources.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history/csv.h"
#include "transport/status_client.h"
#include "web/metrics.h"

#define PATIENCE_MS 3000

static enum ob_err no_memory(struct ob_error *error) {
    return ob_fail(error, OB_ENOMEM, "out of memory");
}

static enum ob_err make_metrics(const char *status, char **ret_text, size_t *ret_bytes,
                                struct ob_error *error) {
    json_error_t why;
    json_t *json = json_loads(status, 0, &why);
    if (!json)
        return ob_fail(error, OB_EFORMAT, "the daemon's status is not JSON: %s", why.text);
    *ret_text = ob_web_metrics(json, ret_bytes);
    json_decref(json);
    return *ret_text ? OB_OK : no_memory(error);
}

static enum ob_err print(const struct ob_history *history, bool frontiers, char **ret_text, size_t *ret_bytes,
                         struct ob_error *error) {
    FILE *out = open_memstream(ret_text, ret_bytes);
    if (out)
        (frontiers ? ob_history_frontiers_csv : ob_history_csv)(history, out);
    bool bad = !out || ferror(out) != 0;
    if (out && fclose(out) == 0 && !bad)
        return OB_OK;
    if (out)
        free(*ret_text);
    *ret_text = NULL;
    return no_memory(error);
}

static enum ob_err make_table(struct ob_web_sources *sources, enum ob_web_source source, char **ret_text,
                              size_t *ret_bytes, struct ob_error *error) {
    struct ob_history *history = NULL;
    enum ob_err failed = source == OB_WEB_RECENT ? ob_history_tail_read(&sources->tail, sources->state_dir,
                                                                        OB_WEB_RECENT_ROWS, &history, error)
                                                 : ob_history_read(sources->state_dir, NULL, &history, error);
    if (!failed)
        failed = print(history, source == OB_WEB_FRONTIERS, ret_text, ret_bytes, error);
    ob_history_close(history);
    return failed;
}

static enum ob_err make(struct ob_web_sources *sources, enum ob_web_source source, char **ret_text,
                        size_t *ret_bytes, struct ob_error *error) {
    char *status = NULL;
    size_t bytes = 0;
    if (source == OB_WEB_HISTORY || source == OB_WEB_FRONTIERS || source == OB_WEB_RECENT)
        return make_table(sources, source, ret_text, ret_bytes, error);
    if (source == OB_WEB_STATUS) {
        enum ob_err failed =
            ob_status_ask(sources->state_dir, "{\"command\":\"status\"}", PATIENCE_MS, ret_text, error);
        *ret_bytes = failed ? 0 : strlen(*ret_text);
        return failed;
    }
    enum ob_err failed = ob_web_source_text(sources, OB_WEB_STATUS, &status, &bytes, error);
    if (!failed)
        failed = make_metrics(status, ret_text, ret_bytes, error);
    free(status);
    return failed;
}

enum ob_err ob_web_source_text(struct ob_web_sources *sources, enum ob_web_source source, char **ret_text,
                               size_t *ret_bytes, struct ob_error *error) {
    struct ob_web_kept *kept = &sources->kept[source];
    if (!kept->text || ob_now_ns() - kept->made_ns >= OB_WEB_FRESH_NS) {
        char *text = NULL;
        size_t bytes = 0;
        enum ob_err failed = make(sources, source, &text, &bytes, error);
        if (failed)
            return failed;
        free(kept->text);
        *kept = (struct ob_web_kept){.text = text, .bytes = bytes, .made_ns = ob_now_ns()};
    }
    *ret_text = malloc(kept->bytes + 1);
    if (!*ret_text)
        return no_memory(error);
    memcpy(*ret_text, kept->text, kept->bytes);
    (*ret_text)[kept->bytes] = 0;
    *ret_bytes = kept->bytes;
    return OB_OK;
}

void ob_web_sources_done(struct ob_web_sources *sources) {
    for (size_t i = 0; i < OB_WEB_SOURCES; i++)
        free(sources->kept[i].text);
    ob_history_tail_close(&sources->tail);
    *sources = (struct ob_web_sources){0};
}
