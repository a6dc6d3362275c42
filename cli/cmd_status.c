/* status, leave, pause, resume: everything that asks a running daemon */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "transport/status_client.h"

#define TIMEOUT_MS 10000

enum ob_err ob_tool_ask(const char *state_dir, const json_t *request, json_t **ret_answer,
                        struct ob_error *error) {
    char *answer = NULL;
    char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    if (!text)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    enum ob_err failed = ob_status_ask(state_dir, text, TIMEOUT_MS, &answer, error);
    free(text);
    if (failed)
        return failed;
    json_t *root = json_loads(answer, 0, NULL);
    free(answer);
    if (!root)
        return ob_fail(error, OB_EFORMAT, "%s: the daemon's answer is not JSON", state_dir);
    if (!json_is_true(json_object_get(root, "ok"))) {
        const char *why = json_string_value(json_object_get(root, "error"));
        enum ob_err code = ob_fail(error, OB_ESTATE, "%s: %s", state_dir, why ? why : "the daemon refused");
        json_decref(root);
        return code;
    }
    *ret_answer = root;
    return OB_OK;
}

static enum ob_err ask(const char *state_dir, const char *command, json_t **ret_answer,
                       struct ob_error *error) {
    json_t *request = json_pack("{s:s}", "command", command);
    enum ob_err failed = ob_tool_ask(state_dir, request, ret_answer, error);
    json_decref(request);
    return failed;
}

static const char *text_of(const json_t *object, const char *key) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "-";
}

static double number_of(const json_t *object, const char *key) {
    return json_number_value(json_object_get(object, key));
}

static const char *yes_no(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? "?" : json_is_true(value) ? "yes" : "no";
}

static void print_machines(const json_t *machines) {
    size_t i;
    const json_t *m;
    printf("\n%-18s %-12s %9s %7s %-8s %-6s %-4s %-6s\n", "machine", "key", "samples", "round", "training",
           "linked", "left", "agrees");
    json_array_foreach(machines, i, m)
        printf("%-18.18s %-12.12s %9.0f %7.0f %-8s %-6s %-4s %-6s\n", text_of(m, "name"),
               text_of(m, "machine"), number_of(m, "samples"), number_of(m, "round"), yes_no(m, "training"),
               yes_no(m, "linked"), yes_no(m, "left"), yes_no(m, "agrees"));
}

static void print_status(const json_t *s) {
    const json_t *work = json_object_get(s, "work"), *traffic = json_object_get(s, "traffic");
    const json_t *log = json_object_get(s, "log");
    printf("run        %s (%.16s…)\n", text_of(s, "name"), text_of(s, "run"));
    printf("machine    %.16s…, %s, up %.0f s\n", text_of(s, "machine"), text_of(s, "life"),
           number_of(s, "uptime_s"));
    printf("round      %.0f of %.0f, with %.0f machines training\n", number_of(s, "round"),
           number_of(s, "max_rounds"), number_of(s, "live"));
    printf("samples    %.0f of our own, next is %.0f; loss of the last round %.4f\n",
           number_of(s, "own_samples"), number_of(s, "next_sample"), number_of(s, "loss"));
    printf("log        %.0f records, %.0f samples, %.0f bytes on disk\n", number_of(log, "records"),
           number_of(log, "samples"), number_of(log, "file_bytes"));
    const json_t *catch_up = json_object_get(s, "catch_up");
    if (number_of(catch_up, "samples_known") > number_of(catch_up, "samples_held"))
        printf("catching up %.0f of %.0f samples, %.0f a second, about %.0f s left\n",
               number_of(catch_up, "samples_held"), number_of(catch_up, "samples_known"),
               number_of(catch_up, "samples_per_s"), number_of(catch_up, "seconds_left"));
    printf("digests    log %.16s…  weights %.16s…%s\n", text_of(s, "log_digest"),
           text_of(s, "weights_digest"),
           json_is_true(json_object_get(s, "weights_digest_current")) ? "" : " (of an earlier log)");
    printf("speed      %.4f s a sample, replay %.6f s a sample (ratio %.4f)\n",
           number_of(work, "sample_seconds"), number_of(work, "replay_seconds"),
           number_of(work, "replay_ratio"));
    printf("traffic    %.0f bytes published (%.2f on the wire a sample), %.0f links\n",
           number_of(traffic, "published_bytes"), number_of(traffic, "wire_bytes_per_sample"),
           number_of(traffic, "links"));
    printf("processor  OpenBLAS core %s, %s kernels, %.0f threads, peak memory %.0f MB\n",
           text_of(work, "blas_core"), text_of(work, "kernels"), number_of(work, "threads"),
           number_of(work, "peak_memory_bytes") / 1e6);
    print_machines(json_object_get(s, "machines"));
}

static int show(const char *state_dir, bool json, bool clear) {
    struct ob_error error = {0};
    json_t *answer = NULL;
    if (ask(state_dir, "status", &answer, &error))
        return ob_tool_complain(&error);
    if (clear && !json)
        fputs("\033[H\033[2J", stdout);
    if (json) {
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        print_status(answer);
    }
    json_decref(answer);
    return fflush(stdout) == 0 ? OB_EXIT_DONE : OB_EXIT_FAILED;
}

int ob_tool_status(int argc, char **argv) {
    struct ob_tool_option o[] = {{.name = "json", .is_switch = true}, {.name = "watch", .is_switch = true}};
    const char *state_dir = NULL;
    size_t count = 0;
    if (!ob_tool_parse(argc, argv, o, 2, &state_dir, 1, &count))
        return OB_EXIT_USAGE;
    if (count != 1)
        return ob_tool_usage("status needs the daemon's state directory");
    int code = show(state_dir, o[0].value, o[1].value);
    while (code == OB_EXIT_DONE && o[1].value) {
        sleep(1);
        code = show(state_dir, o[0].value, true);
    }
    return code;
}

static int command(int argc, char **argv, const char *name) {
    const char *state_dir = NULL;
    size_t count = 0;
    struct ob_error error = {0};
    json_t *answer = NULL;
    if (!ob_tool_parse(argc, argv, NULL, 0, &state_dir, 1, &count))
        return OB_EXIT_USAGE;
    if (count != 1)
        return ob_tool_usage("the daemon's state directory is missing");
    if (ask(state_dir, name, &answer, &error))
        return ob_tool_complain(&error);
    json_decref(answer);
    return OB_EXIT_DONE;
}

int ob_tool_leave(int argc, char **argv) {
    return command(argc, argv, "leave");
}

int ob_tool_pause(int argc, char **argv) {
    return command(argc, argv, "pause");
}

int ob_tool_resume(int argc, char **argv) {
    return command(argc, argv, "resume");
}
