#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utf8proc.h>

#include "base/clock.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "model/formats/json_value.h"
#include "run/certificate.h"

struct arguments {
    struct ob_cli_at at;
    bool json, watch, all;
};

static const struct ob_operand OPERANDS[] = {OB_OPERAND_STATE_DIR(struct arguments)};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_RUN(struct arguments),
    OB_OPTION_JSON(struct arguments),
    {"all", NULL, "print every field on a line of its own: path and value",
     OB_ARGUMENT(struct arguments, all)},
    {"watch", NULL, "print the status every second until the daemon exits",
     OB_ARGUMENT(struct arguments, watch)},
};

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

static const char *standing(const json_t *machine) {
    static const char *const REASONS[] = {"revoked", "forked", "left"};
    for (size_t i = 0; i < sizeof REASONS / sizeof *REASONS; i++)
        if (json_is_true(json_object_get(machine, REASONS[i])))
            return REASONS[i];
    return json_is_true(json_object_get(machine, "admitted")) ? "admitted" : "no cert";
}

/* In `width` columns of a terminal: cut, or filled with blanks. The text is UTF-8. */
static void print_column(const char *text, int width) {
    size_t bytes = strlen(text), at = 0;
    while (at < bytes) {
        utf8proc_int32_t character;
        utf8proc_ssize_t length =
            utf8proc_iterate((const utf8proc_uint8_t *)text + at, (utf8proc_ssize_t)(bytes - at), &character);
        int wide = length > 0 ? utf8proc_charwidth(character) : 1;
        if (wide > width)
            break;
        width -= wide;
        at += length > 0 ? (size_t)length : 1;
    }
    printf("%.*s%*s ", (int)at, text, width, "");
}

static int by_name(const void *a, const void *b) {
    const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
    bool self_x = json_is_true(json_object_get(x, "self")), self_y = json_is_true(json_object_get(y, "self"));
    return self_x != self_y ? self_y - self_x : strcmp(text_of(x, "name"), text_of(y, "name"));
}

static void print_machine(const json_t *m) {
    print_column(text_of(m, "name"), 18);
    printf("%-12.12s %9.0f %7.0f %-8s %-6s %-8s %-6s\n", text_of(m, "machine"), number_of(m, "samples"),
           number_of(m, "round"), yes_no(m, "training"), yes_no(m, "linked"), standing(m),
           yes_no(m, "agrees"));
}

/* This machine first, then by name. */
static void print_machines(const json_t *machines) {
    size_t count = json_array_size(machines);
    json_t **sorted = calloc(count + 1, sizeof *sorted);
    if (!sorted)
        return;
    for (size_t i = 0; i < count; i++)
        sorted[i] = json_array_get(machines, i);
    qsort(sorted, count, sizeof *sorted, by_name);
    printf("\n%-18s %-12s %9s %7s %-8s %-6s %-8s %-6s\n", "machine", "key", "samples", "round", "training",
           "linked", "standing", "agrees");
    for (size_t i = 0; i < count; i++)
        print_machine(sorted[i]);
    free(sorted);
}

/* The reasons for a pause, and what ends each. */
static void print_pause(const json_t *reasons) {
    static const struct {
        const char *reason, *text;
    } TEXTS[] = {
        {"operator", "by `onebyte pause`; `onebyte resume` resumes training"},
        {"overrange", "a weight is beyond half its range; ends once the records that caused it are revoked"},
        {"joining", "the weights come from a snapshot that is not verified yet; ends by itself"},
        {"alone", "the log is empty and no peer has been reached yet; check [peers], or set solo = yes to "
                  "train alone"},
        {"isolated", "too few machines hold our records; ends once they can be reached again"},
    };
    size_t i;
    const json_t *reason;
    json_array_foreach(reasons, i, reason) {
        const char *name = json_string_value(reason), *text = "";
        for (size_t k = 0; name && k < sizeof TEXTS / sizeof *TEXTS; k++)
            if (strcmp(TEXTS[k].reason, name) == 0)
                text = TEXTS[k].text;
        printf("paused     %s%s%s\n", name ? name : "-", text[0] ? ": " : "", text);
    }
}

#define WARN_S (7.0 * 86400)

static void print_certificate(const json_t *membership, bool fetching) {
    json_int_t expires = json_integer_value(json_object_get(membership, "expires"));
    char when[OB_TIME_TEXT_MAX];
    double left = (double)expires - (double)ob_wall_s();
    if (!fetching && json_is_false(json_object_get(membership, "certified"))) {
        puts("certificate none valid: this machine's records do not count");
        return;
    }
    if (expires <= 0 || left > WARN_S)
        return;
    ob_time_to_text((uint64_t)expires, when);
    printf("certificate %s %s; the run's authority renews it (`onebyte renew`)\n",
           left > 0 ? "expires" : "expired", when);
}

/* Why training may be slow or still. */
static void print_problems(const json_t *s) {
    const json_t *isolation = json_object_get(s, "isolation"), *catch_up = json_object_get(s, "catch_up");
    if (number_of(isolation, "unacknowledged_rounds") > 0 || strcmp(text_of(s, "life"), "isolated") == 0)
        printf(
            "isolation  %.0f of the last %.0f training machines hold our latest records; %.0f of our rounds "
            "are held by fewer than half\n",
            number_of(isolation, "acknowledged"), number_of(isolation, "last_live"),
            number_of(isolation, "unacknowledged_rounds"));
    if (json_is_string(json_object_get(s, "waiting_for")))
        printf("waiting for %s: the next round needs its records\n", text_of(s, "waiting_for"));
    print_pause(json_object_get(s, "paused_by"));
    print_certificate(json_object_get(s, "membership"), strcmp(text_of(s, "life"), "fetching") == 0);
    if (number_of(catch_up, "samples_known") > number_of(catch_up, "samples_held"))
        printf("catching up %.0f of %.0f samples, %.0f a second, about %.0f s left\n",
               number_of(catch_up, "samples_held"), number_of(catch_up, "samples_known"),
               number_of(catch_up, "samples_per_s"), number_of(catch_up, "seconds_left"));
}

/* Whose records stand out, and what to do. */
static void print_outliers(const json_t *machines) {
    size_t i;
    const json_t *m;
    json_array_foreach(machines, i, m) {
        if (json_is_number(json_object_get(m, "outlier")) && json_is_false(json_object_get(m, "revoked")))
            printf("outlier    %s: from sample %.0f on its estimates were %.1f times as large as is typical, "
                   "%.0f %% of all "
                   "movement is its; `onebyte audit`, then `onebyte quarantine`\n",
                   text_of(m, "name"), number_of(m, "outlier_from"), number_of(m, "outlier"),
                   100 * number_of(m, "movement_share"));
    }
}

static void print_numbers(const json_t *s) {
    const json_t *work = json_object_get(s, "work"), *traffic = json_object_get(s, "traffic");
    const json_t *log = json_object_get(s, "log");
    printf("log        %.0f records, %.0f samples, %.0f bytes on disk\n", number_of(log, "records"),
           number_of(log, "samples"), number_of(log, "file_bytes"));
    bool known = json_is_string(json_object_get(s, "weights_digest"));
    bool current = json_is_true(json_object_get(s, "weights_digest_current"));
    printf("digests    log %.16s…  weights %.16s%s\n", text_of(s, "log_digest"),
           known ? text_of(s, "weights_digest") : "not computed yet",
           !known    ? ""
           : current ? "…"
                     : "… (before the latest records)");
    printf("speed      %.4f s per sample, replay %.6f s per sample (ratio %.4f)\n",
           number_of(work, "sample_seconds"), number_of(work, "replay_seconds"),
           number_of(work, "replay_ratio"));
    printf("traffic    %.0f bytes published (%.2f on the wire per sample), %.0f links\n",
           number_of(traffic, "published_bytes"), number_of(traffic, "wire_bytes_per_sample"),
           number_of(traffic, "links"));
    printf("processor  OpenBLAS core %s, %s kernels, %.0f threads, peak memory %.0f MB\n",
           text_of(work, "blas_core"), text_of(work, "kernels"), number_of(work, "threads"),
           number_of(work, "peak_memory_bytes") / 1e6);
    if (*text_of(work, "products"))
        printf("products   %s%s%s%s, %s loops between them\n", text_of(work, "products"),
               *text_of(work, "products_measured") ? " (" : "", text_of(work, "products_measured"),
               *text_of(work, "products_measured") ? ")" : "", text_of(work, "loops"));
}

static void print_status(const json_t *s) {
    const json_t *loss = json_object_get(s, "loss");
    printf("run        %s (%.16s…)\n", text_of(s, "name"), text_of(s, "run"));
    printf("machine    %.16s…, %s, up %.0f s\n", text_of(s, "machine"), text_of(s, "life"),
           number_of(s, "uptime_s"));
    printf("round      %.0f of %.0f, %.0f machines training\n", number_of(s, "round"),
           number_of(s, "max_rounds"), number_of(s, "live"));
    printf("samples    %.0f evaluated here, next is number %.0f; ", number_of(s, "own_samples"),
           number_of(s, "next_sample"));
    if (json_is_number(loss))
        printf("loss of the last round %.4f\n", json_number_value(loss));
    else if (number_of(s, "own_samples") > 0)
        puts("the loss of the last round is not finite: the run has diverged");
    else
        puts("no loss yet");
    print_problems(s);
    print_outliers(json_object_get(s, "machines"));
    print_numbers(s);
    print_machines(json_object_get(s, "machines"));
}

/* "work.threads: 2", depth first: a field that a daemon has and we do not know is printed too. */
static void print_all(const json_t *value, const char *path) {
    char longer[256];
    size_t i;
    const char *key;
    json_t *child;
    if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, child) {
            (void)snprintf(longer, sizeof longer, "%s%s%s", path, path[0] ? "." : "", key);
            print_all(child, longer);
        }
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, child) {
            (void)snprintf(longer, sizeof longer, "%s[%zu]", path, i);
            print_all(child, longer);
        }
    } else {
        printf("%s: ", path);
        json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
        putchar('\n');
    }
}

static int show(const struct arguments *a, const char *state_dir, bool clear) {
    struct ob_error error = {0};
    json_t *answer = NULL;
    if (ob_cli_ask_command(state_dir, "status", &answer, &error))
        return ob_cli_fail(&error);
    if (clear)
        fputs("\033[H\033[2J", stdout);
    if (a->json)
        (void)ob_cli_print_json(json_incref(answer), true);
    else if (a->all)
        print_all(answer, "");
    else
        print_status(answer);
    json_decref(answer);
    return fflush(stdout) == 0 && !ferror(stdout) ? OB_EXIT_DONE : OB_EXIT_FAILED;
}

static int status(const void *arguments) {
    const struct arguments *a = arguments;
    bool clear = a->watch && !a->json && isatty(STDOUT_FILENO);
    struct ob_cli_place place;
    struct ob_error error = {0};
    if (ob_cli_find(&a->at, OB_NEED_STATE_DIR, &place, &error))
        return ob_cli_fail(&error);
    int code = show(a, place.state_dir, clear);
    while (code == OB_EXIT_DONE && a->watch) {
        sleep(1);
        if (!a->json && !clear)
            putchar('\n');
        code = show(a, place.state_dir, clear);
    }
    return code;
}

const struct ob_command OB_COMMAND_STATUS = {
    .name = "status",
    .summary = "show what a daemon is doing",
    .details = "docs/files.md explains every field. The exit code is 1 if no daemon answers.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = status,
};
