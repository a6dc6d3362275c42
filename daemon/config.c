#include "daemon/config.h"

#include <assert.h>
#include <errno.h>
#include <ini.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/limits.h"
#include "desk/power.h"
#include "desk/terminals.h"
#include "model/forward/products.h"
#include "transport/address.h"
#include "transport/identity.h"

enum kind { TEXT, INTEGER, REAL, SWITCH, WORD };

struct key {
    const char *section, *name;
    enum kind kind;
    size_t offset, size;
    double low, high; /* for numbers */
    const char *fallback;
    const char *const *words; /* of a WORD: the names of its enum's values, then NULL */
};

#define AT(member)       offsetof(struct ob_config, member), sizeof(((struct ob_config *)0)->member)
#define SAMPLES_MAX_REAL ((double)OB_SAMPLES_PER_ROUND_MAX)

/* enum ob_log_level */
static const char *const LOG_LEVELS[] = {"debug", "info", "warn", "error", NULL};
/* enum ob_config_sides */
static const char *const SIDES[] = {"auto", "two", "one", NULL};
/* enum ob_io_class */
static const char *const IO_CLASSES[] = {"none", "best-effort", "idle", NULL};
/* enum ob_snapshot_mode */
static const char *const SNAPSHOT_MODES[] = {"auto", "always", "never", NULL};

static const struct key KEYS[] = {
    {"machine", "state_dir", TEXT, AT(state_dir), 0, 0, ""},
    {"machine", "identity", TEXT, AT(identity), 0, 0, ""},
    {"machine", "threads", INTEGER, AT(threads), 0, 256, "0"},
    {"machine", "blas_core", TEXT, AT(blas_core), 0, 0, "auto"},
    {"machine", "digest_interval", INTEGER, AT(digest_interval), 0, 1e9, "64"},
    {"machine", "memory_check_interval", INTEGER, AT(memory_check_interval), 0, 1e9, "16"},
    {"machine", "snapshot_replay_s", REAL, AT(snapshot_replay_s), 0, 1e9, "60"},
    {"machine", "on_event", TEXT, AT(on_event), 0, 0, ""},
    {"machine", "log_level", WORD, AT(log_level), 0, 0, "info", LOG_LEVELS},
    {"run", "manifest", TEXT, AT(manifest), 0, 0, ""},
    {"run", "model", TEXT, AT(model), 0, 0, ""},
    {"run", "model_parts", TEXT, AT(model_parts), 0, 0, ""},
    {"run", "share_model", SWITCH, AT(share_model), 0, 0, "no"},
    {"run", "certificate", TEXT, AT(certificate), 0, 0, ""},
    {"network", "listen", TEXT, AT(listen), 0, 0, ""},
    {"network", "advertise", TEXT, AT(advertise), 0, 0, ""},
    {"network", "beacon", SWITCH, AT(beacon), 0, 0, "no"},
    {"network", "beacon_port", INTEGER, AT(beacon_port), 1, 65535, "7299"},
    {"training", "data", TEXT, AT(data), 0, 0, ""},
    {"training", "held_out", TEXT, AT(held_out), 0, 0, ""},
    {"training", "held_out_interval", INTEGER, AT(held_out_interval), 1, 1e9, "128"},
    {"training", "held_out_share", REAL, AT(held_out_share), 0.01, 100, "2"},
    {"training", "pause_when_diverging", SWITCH, AT(pause_when_diverging), 0, 0, "no"},
    {"training", "chat_template", TEXT, AT(chat_template), 0, 0, ""},
    {"training", "batch", INTEGER, AT(batch), 1, 4096, "8"},
    {"training", "rows", INTEGER, AT(rows), 0, 4096, "0"},
    {"training", "rows_per_sample", INTEGER, AT(rows_per_sample), 1, 4096, "1"},
    {"training", "directions_per_row", INTEGER, AT(directions_per_row), 0, 256, "0"},
    {"training", "sides", WORD, AT(sides), 0, 0, "auto", SIDES},
    {"training", "pass_memory_mb", INTEGER, AT(pass_memory_mb), 1, 1e6, "256"},
    {"training", "curvature_interval", INTEGER, AT(curvature_interval), 0, 1e9, "32"},
    {"training", "length", INTEGER, AT(length), 2, 1 << 20, "128"},
    {"training", "shard", INTEGER, AT(shard), 0, 1e6, "0"},
    {"training", "shards", INTEGER, AT(shards), 1, 1e6, "1"},
    {"training", "samples_per_round", INTEGER, AT(samples_per_round), 0, SAMPLES_MAX_REAL, "0"},
    {"training", "epsilon", REAL, AT(epsilon), 0, 1, "0"},
    {"training", "products", TEXT, AT(products), 0, 0, "auto"},
    {"training", "frozen_folder", TEXT, AT(frozen_folder), 0, 0, ""},
    {"training", "prefix_memory_mb", INTEGER, AT(prefix_memory_mb), 0, 1e6, "256"},
    {"training", "prefix_file_mb", INTEGER, AT(prefix_file_mb), 0, 1e6, "1024"},
    {"training", "exponent", INTEGER, AT(exponent), -OB_EXPONENT_LIMIT, OB_EXPONENT_LIMIT, "0"},
    {"training", "clip", REAL, AT(clip), 0, 1e30, "0"},
    {"training", "noise", REAL, AT(noise), 0, 1e30, "0"},
    {"training", "seed", INTEGER, AT(seed), 0, 9e15, "0"},
    {"training", "exit_when_finished", SWITCH, AT(exit_when_finished), 0, 0, "no"},
    {"training", "observer", SWITCH, AT(observer), 0, 0, "no"},
    {"swarm", "max_staleness", INTEGER, AT(max_staleness), 0, 1e6, "16"},
    {"swarm", "rejoin_wait_s", INTEGER, AT(rejoin_wait_s), 0, 86400, "10"},
    {"swarm", "isolation_rounds", INTEGER, AT(isolation_rounds), 1, OB_ISOLATION_ROUNDS_MAX, "256"},
    {"swarm", "solo", SWITCH, AT(solo), 0, 0, "no"},
    {"swarm", "relay", SWITCH, AT(relay), 0, 0, "no"},
    {"swarm", "share_metrics", SWITCH, AT(share_metrics), 0, 0, "yes"},
    {"swarm", "snapshot", WORD, AT(snapshot), 0, 0, "auto", SNAPSHOT_MODES},
    {"swarm", "snapshot_upload_kib", INTEGER, AT(snapshot_upload_kib), 0, 1e9, "16384"},
    {"desk", "run_when", TEXT, AT(run_when), 0, 0, "always"},
    {"desk", "idle_minutes", REAL, AT(idle_minutes), 0.1, 1440, "3"},
    {"desk", "pause_on_battery", SWITCH, AT(pause_on_battery), 0, 0, "no"},
    {"desk", "max_cpu", REAL, AT(max_cpu), 1, 100, "100"},
    {"desk", "max_memory_mb", INTEGER, AT(max_memory_mb), 0, 1e9, "0"},
    {"desk", "nice", INTEGER, AT(nice), 0, 19, "0"},
    {"desk", "io_class", WORD, AT(io_class), 0, 0, "none", IO_CLASSES},
    {"desk", "power_folder", TEXT, AT(power_folder), 0, 0, OB_POWER_FOLDER},
    {"desk", "devices_folder", TEXT, AT(devices_folder), 0, 0, OB_DEVICES_FOLDER},
    {"status", "http", TEXT, AT(http), 0, 0, ""},
    {"status", "http_token_file", TEXT, AT(http_token_file), 0, 0, ""},
};
#define KEY_COUNT (sizeof KEYS / sizeof *KEYS)

/* Where a setting comes from, for messages. */
struct origin {
    const char *file;
    int line; /* 0: the command line */
};

struct parse {
    struct ob_config *config;
    struct origin origin;
    struct ob_error *error;
    enum ob_err failed;
};

static enum ob_err complain(struct parse *parse, const char *section, const char *name, const char *why) {
    if (parse->failed)
        return parse->failed;
    if (parse->origin.line > 0)
        parse->failed = ob_fail(parse->error, OB_EUSAGE, "%s:%d: [%s] %s: %s", parse->origin.file,
                                parse->origin.line, section, name, why);
    else
        parse->failed =
            ob_fail(parse->error, OB_EUSAGE, "%s: %s.%s: %s", parse->origin.file, section, name, why);
    return parse->failed;
}

static bool parse_integer(const char *text, const struct key *key, int64_t *ret_value) {
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end || (double)value < key->low || (double)value > key->high)
        return false;
    *ret_value = value;
    return true;
}

static bool parse_real(const char *text, const struct key *key, double *ret_value) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !isfinite(value) || value < key->low || value > key->high)
        return false;
    *ret_value = value;
    return true;
}

static bool parse_switch(const char *text, bool *ret_value) {
    bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    bool no = strcmp(text, "no") == 0 || strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
    *ret_value = yes;
    return yes || no;
}

/* ret_value: an enum. `why` lists the words. */
static bool parse_word(const char *text, const struct key *key, void *ret_value, char why[128]) {
    size_t used = (size_t)snprintf(why, 128, "expected one of");
    for (unsigned i = 0; key->words[i]; i++) {
        if (strcmp(text, key->words[i]) == 0) {
            assert(key->size == sizeof i);
            memcpy(ret_value, &i, sizeof i);
            return true;
        }
        used += (size_t)snprintf(why + used, 128 - used, "%s %s", i ? "," : "", key->words[i]);
        assert(used < 128);
    }
    return false;
}

static enum ob_err set_key(struct parse *parse, const struct key *key, const char *value) {
    char why[128];
    char *place = (char *)parse->config + key->offset;
    switch (key->kind) {
    case TEXT:
        if (strlen(value) >= key->size)
            return complain(parse, key->section, key->name, "is too long");
        memcpy(place, value, strlen(value) + 1);
        return OB_OK;
    case INTEGER:
        if (parse_integer(value, key, (int64_t *)(void *)place))
            return OB_OK;
        (void)snprintf(why, sizeof why, "expected a whole number from %.0f to %.0f", key->low, key->high);
        return complain(parse, key->section, key->name, why);
    case REAL:
        if (parse_real(value, key, (double *)(void *)place))
            return OB_OK;
        (void)snprintf(why, sizeof why, "expected a number from %g to %g", key->low, key->high);
        return complain(parse, key->section, key->name, why);
    case SWITCH:
        if (parse_switch(value, (bool *)place))
            return OB_OK;
        return complain(parse, key->section, key->name, "expected yes or no");
    case WORD:
        return parse_word(value, key, place, why) ? OB_OK : complain(parse, key->section, key->name, why);
    }
    return complain(parse, key->section, key->name, "unknown kind");
}

enum ob_err ob_join_string_parse(const char *text, struct ob_machine_id *ret_machine,
                                 char ret_endpoint[OB_ENDPOINT_MAX], struct ob_error *error) {
    char key[OB_HEX_KEY_MAX], rest[OB_ENDPOINT_MAX] = "", host[OB_ENDPOINT_MAX], extra[2];
    uint16_t port;
    struct ob_machine_id machine;
    int fields = sscanf(text, "%64[0-9a-fA-F]%*1[@ \t]%255s%1s", key, rest, extra);
    if (fields < 1 || fields > 2 || ob_machine_from_text(key, &machine, NULL) != OB_OK ||
        (fields == 1 && text[strlen(key)] != 0))
        return ob_fail(error, OB_EUSAGE,
                       "expected KEY@tcp://host:port (KEY: 64 hexadecimal digits), or KEY alone");
    enum ob_err failed = fields == 2 ? ob_endpoint_parse(rest, host, &port, error) : OB_OK;
    if (failed)
        return failed;
    *ret_machine = machine;
    memcpy(ret_endpoint, rest, sizeof rest);
    return OB_OK;
}

static enum ob_err add_peer(struct parse *parse, const char *name, const char *value) {
    struct ob_config *config = parse->config;
    struct ob_config_peer peer = {0};
    struct ob_error why = {0};
    if (strlen(name) >= sizeof peer.name)
        return complain(parse, "peers", name, "the name is longer than 63 bytes");
    if (config->peer_count == OB_PEERS_MAX)
        return complain(parse, "peers", name, "too many peers (at most 1024)");
    if (ob_join_string_parse(value, &peer.machine, peer.endpoint, &why))
        return complain(parse, "peers", name, why.text);
    memcpy(peer.name, name, strlen(name) + 1);
    struct ob_config_peer *grown = realloc(config->peers, (config->peer_count + 1) * sizeof *grown);
    if (!grown)
        return parse->failed = ob_fail(parse->error, OB_ENOMEM, "%s: out of memory", parse->origin.file);
    config->peers = grown;
    config->peers[config->peer_count++] = peer;
    return OB_OK;
}

static enum ob_err set(struct parse *parse, const char *section, const char *name, const char *value) {
    if (strcmp(section, "peers") == 0)
        return add_peer(parse, name, value);
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (strcmp(section, KEYS[i].section) == 0 && strcmp(name, KEYS[i].name) == 0)
            return set_key(parse, &KEYS[i], value);
    return complain(parse, section, name, "unknown key; configs/onebyte.conf lists all keys");
}

static int on_line(void *context, const char *section, const char *name, const char *value) {
    return set(context, section, name, value) == OB_OK;
}

/* Gives inih one line after the other, and counts them: Debian's build does not tell the handler. */
struct lines {
    const char *at;
    struct parse *parse;
};

static char *next_line(char *buffer, int capacity, void *stream) {
    struct lines *lines = stream;
    const char *end = strchrnul(lines->at, '\n');
    size_t length = (size_t)(end - lines->at);
    if (*lines->at == 0)
        return NULL;
    lines->parse->origin.line++;
    if (length + 1 > (size_t)capacity) {
        (void)complain(lines->parse, "", "", "the line is too long");
        return NULL;
    }
    memcpy(buffer, lines->at, length);
    buffer[length] = 0;
    lines->at = *end ? end + 1 : end;
    return buffer;
}

static enum ob_err set_override(struct parse *parse, const char *text) {
    const char *dot = strchr(text, '.'), *equals = strchr(text, '=');
    char section[64], name[64];
    if (!dot || !equals || dot > equals || (size_t)(dot - text) >= sizeof section ||
        (size_t)(equals - dot) > sizeof name)
        return ob_fail(parse->error, OB_EUSAGE, "--set %s: expected section.key=value", text);
    (void)snprintf(section, sizeof section, "%.*s", (int)(dot - text), text);
    (void)snprintf(name, sizeof name, "%.*s", (int)(equals - dot - 1), dot + 1);
    parse->origin = (struct origin){.file = "--set"};
    return set(parse, section, name, equals + 1);
}

/* STATE_DIR/NAME for what is not set. */
static enum ob_err set_default(const struct ob_config *config, const char *path, char place[OB_PATH_MAX],
                               const char *name, struct ob_error *error) {
    enum ob_err failed = place[0] ? OB_OK : ob_path_join(place, config->state_dir, name, error);
    return failed ? ob_fail_within(error, failed, "%s: [machine] state_dir", path) : OB_OK;
}

static enum ob_err check_network(const struct ob_config *config, const char *path, struct ob_error *error) {
    char host[OB_ENDPOINT_MAX];
    uint16_t port;
    enum ob_err failed = OB_OK;
    if (config->listen[0])
        failed = ob_endpoint_parse(config->listen, host, &port, error);
    if (failed)
        return ob_fail_within(error, failed, "%s: [network] listen", path);
    if (!config->advertise[0])
        return OB_OK;
    failed = ob_endpoint_parse(config->advertise, host, &port, error);
    if (failed)
        return ob_fail_within(error, failed, "%s: [network] advertise", path);
    if (!config->listen[0] || !ob_endpoint_reachable(config->advertise))
        return ob_fail(error, OB_EUSAGE, "%s: [network] advertise %s: %s", path, config->advertise,
                       config->listen[0] ? "other machines cannot connect to this address"
                                         : "listen is not set");
    return OB_OK;
}

/* How samples are made of rows. */
static enum ob_err check_samples(const struct ob_config *c, const char *path, struct ob_error *error) {
    if (c->rows == 0 && c->rows_per_sample != 1)
        return ob_fail(error, OB_EUSAGE,
                       "%s: [training] rows_per_sample is set, but rows, the rows of a pass, is not", path);
    if (c->rows % c->rows_per_sample != 0)
        return ob_fail(error, OB_EUSAGE, "%s: [training] rows must be a multiple of rows_per_sample", path);
    int64_t directions = c->directions_per_row > 0 ? c->directions_per_row : 1;
    int64_t samples = (c->rows > 0 ? c->rows / c->rows_per_sample : 1) * directions;
    if (samples > OB_SAMPLES_PER_ROUND_MAX)
        return ob_fail(
            error, OB_EUSAGE,
            "%s: [training] rows / rows_per_sample · directions_per_row is %lld samples of a pass; "
            "the maximum is %d",
            path, (long long)samples, OB_SAMPLES_PER_ROUND_MAX);
    return OB_OK;
}

static enum ob_err check(struct ob_config *config, const char *path, struct ob_error *error) {
    if (config->state_dir[0] == 0)
        return ob_fail(error, OB_EUSAGE, "%s: [machine] state_dir is not set", path);
    if (config->model[0] == 0)
        return ob_fail(error, OB_EUSAGE, "%s: [run] model is not set", path);
    if (config->data[0] == 0 && !config->observer)
        return ob_fail(error, OB_EUSAGE, "%s: [training] data is not set (or set observer = yes)", path);
    const struct ob_products *way;
    struct ob_error why;
    enum ob_err unusable =
        strcmp(config->products, "auto") == 0 ? OB_OK : ob_products_find(config->products, &way, &why);
    if (unusable)
        return ob_fail(error, unusable, "%s: [training] %s", path, why.text);
    if (config->shard >= config->shards)
        return ob_fail(error, OB_EUSAGE, "%s: [training] shard must be less than shards", path);
    enum ob_err failed = ob_run_when_parse(config->run_when, &config->when, error);
    if (failed)
        return ob_fail_within(error, failed, "%s: [desk] run_when", path);
    failed = check_samples(config, path, error);
    if (!failed)
        failed = check_network(config, path, error);
    if (!failed)
        failed = set_default(config, path, config->identity, "identity", error);
    if (!failed)
        failed = set_default(config, path, config->certificate, "certificate", error);
    if (!failed)
        failed = set_default(config, path, config->manifest, "run.json", error);
    return failed;
}

static enum ob_err read_all(struct parse *parse, const char *path, const char *const *overrides,
                            size_t count) {
    for (size_t i = 0; i < KEY_COUNT; i++)
        if (set_key(parse, &KEYS[i], KEYS[i].fallback))
            return parse->failed;
    char *text = NULL;
    size_t bytes = 0;
    enum ob_err failed = ob_file_read(path, OB_CONFIG_BYTES_MAX, &text, &bytes, parse->error);
    if (failed)
        return failed;
    parse->origin = (struct origin){.file = path};
    struct lines lines = {.at = text, .parse = parse};
    int line = strlen(text) == bytes ? ini_parse_stream(next_line, &lines, on_line, parse) : 1;
    free(text);
    if (parse->failed)
        return parse->failed;
    if (line != 0)
        return ob_fail(parse->error, OB_EUSAGE, "%s:%d: expected [section], key = value or # comment", path,
                       line);
    for (size_t i = 0; i < count; i++)
        if ((failed = set_override(parse, overrides[i])))
            return failed;
    return check(parse->config, path, parse->error);
}

enum ob_err ob_config_read(const char *path, const char *const *overrides, size_t override_count,
                           struct ob_config **ret_config, struct ob_error *error) {
    struct parse parse = {.config = calloc(1, sizeof(struct ob_config)), .error = error};
    if (!parse.config)
        return ob_fail(error, OB_ENOMEM, "%s: out of memory", path);
    enum ob_err failed = read_all(&parse, path, overrides, override_count);
    if (failed) {
        ob_config_free(parse.config);
        return failed;
    }
    *ret_config = parse.config;
    return OB_OK;
}

void ob_config_free(struct ob_config *config) {
    if (!config)
        return;
    free(config->peers);
    free(config);
}

void ob_config_each_key(void (*see)(void *, const char *, const char *, const char *), void *context) {
    for (size_t i = 0; i < KEY_COUNT; i++)
        see(context, KEYS[i].section, KEYS[i].name, KEYS[i].fallback);
}

static void swap_peers(struct ob_config *a, struct ob_config *b) {
    struct ob_config_peer *peers = a->peers;
    size_t count = a->peer_count;
    a->peers = b->peers;
    a->peer_count = b->peer_count;
    b->peers = peers;
    b->peer_count = count;
}

void ob_config_reload_desk(struct ob_config *config, const struct ob_config *from) {
    memcpy(config->run_when, from->run_when, sizeof config->run_when);
    config->when = from->when;
    config->idle_minutes = from->idle_minutes;
    config->pause_on_battery = from->pause_on_battery;
    config->max_cpu = from->max_cpu;
}

void ob_config_reload(struct ob_config *config, struct ob_config *from,
                      void (*see)(void *context, const char *section, const char *key), void *context) {
    swap_peers(config, from);
    config->log_level = from->log_level;
    config->snapshot_upload_kib = from->snapshot_upload_kib;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const char *a = (const char *)config + KEYS[i].offset, *b = (const char *)from + KEYS[i].offset;
        if (KEYS[i].kind == TEXT ? strcmp(a, b) != 0 : memcmp(a, b, KEYS[i].size) != 0)
            see(context, KEYS[i].section, KEYS[i].name);
    }
}
