#include "web/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history/health.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct metric {
    const char *name, *type, *path, *help;
};

static const struct metric DAEMON[] = {
    {"onebyte_uptime_seconds", "gauge", "uptime_s", "Time since the daemon started."},
    {"onebyte_round", "gauge", "round", "The round that is running or comes next."},
    {"onebyte_rounds", "gauge", "max_rounds", "Rounds of the run."},
    {"onebyte_samples_total", "counter", "log.samples", "Samples of all machines in the log."},
    {"onebyte_own_samples_total", "counter", "own_samples", "Samples evaluated here since the start."},
    {"onebyte_loss", "gauge", "progress.mean_loss", "Own training loss in nats, a recent mean."},
    {"onebyte_swarm_loss", "gauge", "swarm.loss", "Training loss in nats of all machines that tell it."},
    {"onebyte_swarm_samples_per_second", "gauge", "swarm.samples_per_s", "Samples a second of all machines."},
    {"onebyte_held_out_loss", "gauge", "held_out.loss", "Held-out loss in nats at the last evaluation."},
    {"onebyte_held_out_loss_error", "gauge", "held_out.loss_error", "Standard error of the held-out loss."},
    {"onebyte_held_out_accuracy_ratio", "gauge", "held_out.accuracy", "Held-out choices answered right."},
    {"onebyte_held_out_round", "gauge", "held_out.round", "Round of the last held-out evaluation."},
    {"onebyte_machines_training", "gauge", "live", "Machines that train now, this one included."},
    {"onebyte_links", "gauge", "traffic.links", "Machines that can be reached now."},
    {"onebyte_learning_rate", "gauge", "learning.rate", "Learning rate of a sample of the present round."},
    {"onebyte_curvature", "gauge", "learning.curvature", "Curvature that steps meet."},
    {"onebyte_rate_curvature", "gauge", "learning.rate_curvature", "Learning rate times curvature."},
    {"onebyte_last_round_age_seconds", "gauge", "progress.since_round_s", "Time since our last round ended."},
    {"onebyte_time_left_seconds", "gauge", "progress.seconds_left", "Time until the last round."},
    {"onebyte_bytes_published_total", "counter", "traffic.published_bytes", "Payload published to all."},
    {"onebyte_bytes_sent_total", "counter", "traffic.sent_bytes", "Payload sent to single machines."},
    {"onebyte_bytes_received_total", "counter", "traffic.received_bytes", "Payload received."},
    {"onebyte_messages_dropped_total", "counter", "traffic.dropped_messages", "Messages that were dropped."},
    {"onebyte_messages_refused_total", "counter", "peer.refused", "Messages that were refused."},
    {"onebyte_bad_signatures_total", "counter", "peer.bad_signatures", "Records with a wrong signature."},
    {"onebyte_disagreements_total", "counter", "integrity.disagreements", "Other weights for equal records."},
    {"onebyte_memory_faults_total", "counter", "integrity.memory_faults", "Memory checks that failed."},
    {"onebyte_waiting_samples", "gauge", "work.waiting_samples", "Samples that wait to be applied."},
    {"onebyte_sample_seconds", "gauge", "work.sample_seconds", "Recent mean time to evaluate a sample."},
    {"onebyte_replay_seconds", "gauge", "work.replay_seconds", "Recent mean time to apply a sample."},
    {"onebyte_log_bytes", "gauge", "log.file_bytes", "Size of the log."},
    {"onebyte_peak_memory_bytes", "gauge", "work.peak_memory_bytes", "Peak resident memory."},
    {"onebyte_certificate_expiry_timestamp_seconds", "gauge", "membership.expires",
     "Unix time at which this machine's certificate expires; 0: never."},
};

static const struct metric MACHINE[] = {
    {"onebyte_machine_samples_total", "counter", "samples", "Samples of the machine in our log."},
    {"onebyte_machine_round", "gauge", "round", "Round of its last record; -1: none."},
    {"onebyte_machine_behind_rounds", "gauge", "behind", "Rounds behind the furthest machine."},
    {"onebyte_machine_samples_per_second", "gauge", "samples_per_s", "Samples a second, as it tells."},
    {"onebyte_machine_loss", "gauge", "loss", "Training loss in nats, as it tells."},
    {"onebyte_machine_last_record_age_seconds", "gauge", "last_record_s", "Time since its last record."},
    {"onebyte_machine_linked", "gauge", "linked", "1: it can be reached now."},
    {"onebyte_machine_training", "gauge", "training", "1: it trains now."},
};

/* "a.b": member b of the object a. */
static const json_t *find(const json_t *object, const char *path) {
    const char *dot = strchr(path, '.');
    char first[64];
    if (!dot)
        return json_object_get(object, path);
    (void)snprintf(first, sizeof first, "%.*s", (int)(dot - path), path);
    return find(json_object_get(object, first), dot + 1);
}

static void head(FILE *out, const char *name, const char *type, const char *help) {
    (void)fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void label(FILE *out, const char *name, const char *value, const char *before) {
    (void)fprintf(out, "%s%s=\"", before, name);
    for (; *value; value++)
        if (*value == '\n')
            (void)fputs("\\n", out);
        else
            (void)fprintf(out, *value == '"' || *value == '\\' ? "\\%c" : "%c", *value);
    (void)fputc('"', out);
}

static const char *text_of(const json_t *object, const char *path) {
    const char *text = json_string_value(find(object, path));
    return text ? text : "";
}

static bool known(const json_t *value) {
    return json_is_integer(value) || json_is_boolean(value) ||
           (json_is_real(value) && isfinite(json_real_value(value)));
}

static void put(FILE *out, const json_t *value) {
    if (json_is_real(value))
        (void)fprintf(out, " %.10g\n", json_real_value(value));
    else
        (void)fprintf(out, " %" JSON_INTEGER_FORMAT "\n",
                      json_is_integer(value) ? json_integer_value(value) : (json_int_t)json_is_true(value));
}

static void daemon_metrics(FILE *out, const json_t *status) {
    for (size_t i = 0; i < COUNT(DAEMON); i++) {
        const json_t *value = find(status, DAEMON[i].path);
        if (!known(value))
            continue;
        head(out, DAEMON[i].name, DAEMON[i].type, DAEMON[i].help);
        (void)fputs(DAEMON[i].name, out);
        put(out, value);
    }
}

/* Two machines may have one name: the key tells them apart. */
static void machine_labels(FILE *out, const json_t *machine) {
    label(out, "machine", text_of(machine, "name"), "{");
    label(out, "key", text_of(machine, "machine"), ",");
}

static void machine_metrics(FILE *out, const json_t *machines) {
    const json_t *machine;
    size_t k;
    for (size_t i = 0; i < COUNT(MACHINE); i++) {
        bool headed = false;
        json_array_foreach(machines, k, machine) {
            const json_t *value = find(machine, MACHINE[i].path);
            if (!known(value))
                continue;
            if (!headed)
                head(out, MACHINE[i].name, MACHINE[i].type, MACHINE[i].help);
            headed = true;
            (void)fputs(MACHINE[i].name, out);
            machine_labels(out, machine);
            (void)fputc('}', out);
            put(out, value);
        }
    }
    if (json_array_size(machines) > 0)
        head(out, "onebyte_machine_state", "gauge", "1: what the machine does, in a word.");
    json_array_foreach(machines, k, machine) {
        (void)fputs("onebyte_machine_state", out);
        machine_labels(out, machine);
        label(out, "state", text_of(machine, "state"), ",");
        (void)fputs("} 1\n", out);
    }
}

static void words(FILE *out, const json_t *status) {
    const json_t *item;
    size_t k;
    head(out, "onebyte_info", "gauge", "1: which run, machine and version this is.");
    label(out, "name", text_of(status, "name"), "onebyte_info{");
    label(out, "run", text_of(status, "run"), ",");
    label(out, "key", text_of(status, "machine"), ",");
    label(out, "version", text_of(status, "version"), ",");
    (void)fputs("} 1\n", out);
    head(out, "onebyte_life", "gauge", "1: what this machine does, in a word.");
    label(out, "life", text_of(status, "life"), "onebyte_life{");
    (void)fputs("} 1\n", out);
    head(out, "onebyte_health", "gauge", "1: the verdict on the run; 0: the others.");
    for (int kind = OB_HEALTH_STARTING; kind <= OB_HEALTH_FINISHED; kind++) {
        const char *name = ob_health_name((enum ob_health_kind)kind);
        label(out, "verdict", name, "onebyte_health{");
        (void)fprintf(out, "} %d\n", strcmp(name, text_of(status, "health.verdict")) == 0);
    }
    if (json_array_size(find(status, "paused_by")) > 0)
        head(out, "onebyte_paused", "gauge", "1: a reason for which this machine starts no round.");
    json_array_foreach(find(status, "paused_by"), k, item) {
        label(out, "reason", json_is_string(item) ? json_string_value(item) : "", "onebyte_paused{");
        (void)fputs("} 1\n", out);
    }
}

static void problems(FILE *out, const json_t *list) {
    static const char *const LEVELS[] = {"warning", "critical"};
    const json_t *item;
    head(out, "onebyte_problems", "gauge", "What is not as it should be now.");
    for (size_t level = 0; level < COUNT(LEVELS); level++) {
        size_t k, count = 0;
        json_array_foreach(list, k, item) count += strcmp(text_of(item, "level"), LEVELS[level]) == 0;
        label(out, "level", LEVELS[level], "onebyte_problems{");
        (void)fprintf(out, "} %zu\n", count);
    }
}

char *ob_web_metrics(const json_t *status, size_t *ret_bytes) {
    char *text = NULL;
    FILE *out = open_memstream(&text, ret_bytes);
    if (!out)
        return NULL;
    words(out, status);
    daemon_metrics(out, status);
    problems(out, find(status, "problems"));
    machine_metrics(out, find(status, "machines"));
    bool bad = ferror(out) != 0;
    if (fclose(out) == 0 && !bad)
        return text;
    free(text);
    return NULL;
}
