#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "daemon/config.h"

static enum ob_err read_text(const char *text, const char *override, struct ob_config **ret,
                             struct ob_error *error) {
    char path[] = "/tmp/onebyte-config-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    enum ob_err failed = ob_config_read(path, &override, override ? 1 : 0, ret, error);
    unlink(path);
    return failed;
}

#define GOOD "[machine]\nstate_dir = /s\n[run]\nmanifest = m\nmodel = f\n[training]\ndata = d\n"

static void read_defaults_and_override(void **state) {
    (void)state;
    struct ob_config *config = NULL;
    assert_int_equal(read_text(GOOD "batch = 4\n", "training.batch=16", &config, NULL), OB_OK);
    assert_int_equal(config->batch, 16);
    assert_int_equal(config->length, 128);
    assert_int_equal(config->max_staleness, 16);
    assert_string_equal(config->identity, "/s/identity");
    ob_config_free(config);
}

static void read_samples_of_rows(void **state) {
    (void)state;
    struct ob_config *config = NULL;
    assert_int_equal(read_text(GOOD, NULL, &config, NULL), OB_OK); /* what suits the run: daemon/sampling */
    assert_int_equal(config->rows, 0);
    assert_int_equal(config->directions_per_row, 0);
    assert_int_equal(config->sides, OB_SIDES_AUTO);
    ob_config_free(config);
    assert_int_equal(read_text(GOOD "rows = 64\nrows_per_sample = 2\ndirections_per_row = 128\nsides = one\n",
                               NULL, &config, NULL),
                     OB_OK);
    assert_int_equal(config->rows, 64);
    assert_int_equal(config->rows_per_sample, 2);
    assert_int_equal(config->directions_per_row, 128);
    assert_int_equal(config->sides, OB_SIDES_ONE);
    ob_config_free(config);
}

static void read_when_to_train(void **state) {
    (void)state;
    struct ob_config *config = NULL, *other = NULL;
    struct ob_error error = {0};
    assert_int_equal(read_text(GOOD, NULL, &config, NULL), OB_OK);
    assert_int_equal(config->when.kind, OB_RUN_ALWAYS);
    assert_int_equal(config->io_class, OB_IO_NONE);
    assert_false(config->pause_on_battery);
    assert_int_equal(read_text(GOOD
                               "[desk]\nrun_when = 22:00-06:00 12:00-13:00\nio_class = idle\nnice = 19\n",
                               "desk.max_cpu=25", &other, NULL),
                     OB_OK);
    assert_int_equal(other->when.count, 2);
    assert_int_equal(other->io_class, OB_IO_IDLE);
    ob_config_reload_desk(config, other);
    assert_string_equal(config->run_when, "22:00-06:00 12:00-13:00");
    assert_int_equal(config->when.windows[0].from, 22 * 60);
    assert_float_equal(config->max_cpu, 25, 0);
    assert_int_equal(config->nice, 0); /* of the start */
    ob_config_free(config);
    ob_config_free(other);
    config = NULL;
    assert_int_equal(read_text(GOOD "[desk]\nrun_when = 8-17\n", NULL, &config, &error), OB_EUSAGE);
    assert_non_null(strstr(error.text, "[desk] run_when: \"8-17\": expected idle, always, or times of day"));
    assert_int_equal(read_text(GOOD, "desk.max_cpu=0", &config, NULL), OB_EUSAGE);
    assert_null(config);
}

static void read_peers(void **state) {
    (void)state;
    struct ob_config *config = NULL;
    const char *text =
        GOOD "[peers]\na = 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef tcp://h:7300\n"
             "b = 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdee\n";
    assert_int_equal(read_text(text, NULL, &config, NULL), OB_OK);
    assert_int_equal(config->peer_count, 2);
    assert_string_equal(config->peers[0].endpoint, "tcp://h:7300");
    assert_string_equal(config->peers[1].endpoint, "");
    assert_int_equal(config->peers[1].machine.key[31], 0xee);
    ob_config_free(config);
}

static void read_join_strings(void **state) {
    (void)state;
    static const char KEY[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static const char *const BAD[] = {"%s@", "%s@h:1",       "%sx", "%s@tcp://h:0", "%s@tcp://h:1 x",
                                      "x%s", "%s0@tcp://h:1"};
    char text[200], endpoint[OB_ENDPOINT_MAX];
    struct ob_machine_id machine;
    (void)snprintf(text, sizeof text, "%s@tcp://[2001:db8::1]:7300", KEY);
    assert_int_equal(ob_join_string_parse(text, &machine, endpoint, NULL), OB_OK);
    assert_string_equal(endpoint, "tcp://[2001:db8::1]:7300");
    assert_int_equal(machine.key[1], 0x23);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        const char *at = strstr(BAD[i], "%s");
        (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - BAD[i]), BAD[i], KEY, at + 2);
        if (ob_join_string_parse(text, &machine, endpoint, NULL) != OB_EUSAGE)
            fail_msg("\"%s\" is taken", text);
    }
}

static void assert_refused(const char *text, const char *override, const char *word) {
    struct ob_config *config = NULL;
    struct ob_error error = {0};
    assert_int_equal(read_text(text, override, &config, &error), OB_EUSAGE);
    if (!strstr(error.text, word))
        fail_msg("\"%s\" does not say \"%s\"", error.text, word);
}

static void bad_settings_are_named(void **state) {
    (void)state;
    assert_refused(GOOD "bach = 4\n", NULL, "bach");
    assert_refused(GOOD "[network]\nlisten = tcp://0.0.0.0:70000\n", NULL, "[network] listen");
    assert_refused(GOOD "[network]\nadvertise = tcp://h:7300\n", NULL, "listen is not set");
    assert_refused(GOOD "[network]\nlisten = tcp://*:7300\nadvertise = tcp://0.0.0.0:7300\n", NULL,
                   "advertise");
    assert_refused(GOOD "batch = 0\n", NULL, ":8: [training] batch");
    assert_refused(GOOD "batch = 4x\n", NULL, "whole number from 1 to 4096");
    assert_refused(GOOD "clip = nan\n", NULL, "clip");
    assert_refused(GOOD "observer = maybe\n", NULL, "yes or no");
    assert_refused(GOOD "[swarm]\nsnapshot = sometimes\n", NULL, "expected one of auto, always, never");
    assert_refused(GOOD "what is this\n", NULL, ":8:");
    assert_refused(GOOD "[peers]\nx = abc\n", NULL, "64 hexadecimal");
    assert_refused(GOOD, "training.nothing=1", "nothing");
    assert_refused(GOOD, "nonsense", "section.key=value");
    assert_refused("[machine]\nstate_dir = /s\n", NULL, "model");
    assert_refused(GOOD "shard = 3\nshards = 2\n", NULL, "shard");
    assert_refused(GOOD "rows_per_sample = 2\n", NULL, "rows, the rows of a pass, is not");
    assert_refused(GOOD "rows = 9\nrows_per_sample = 2\n", NULL, "multiple");
    assert_refused(GOOD "rows = 64\ndirections_per_row = 65\n", NULL, "4160 samples of a pass");
    assert_refused(GOOD "sides = three\n", NULL, "expected one of auto, two, one");
}

/* A key of configs/onebyte.conf, with its section and the default that stands there. */
struct documented_key {
    char section[64], name[64], value[128];
    bool in_table;
};

struct documentation {
    struct documented_key keys[128];
    size_t count;
    const char *complaint; /* static text, with the key below */
    char where[160];
};

static void read_documentation(const char *text, struct documentation *ret) {
    char section[64] = "", key[64], value[128];
    memset(ret, 0, sizeof *ret);
    for (const char *line = text; *line; line = strchrnul(line, '\n') + (*strchrnul(line, '\n') != 0)) {
        char copy[512];
        (void)snprintf(copy, sizeof copy, "%.*s", (int)strcspn(line, "\n"), line);
        if (sscanf(copy, "[%63[^]]]", section) == 1 || copy[0] == '#' || copy[0] == 0)
            continue;
        value[0] = 0;
        assert_true(sscanf(copy, "%63[a-z_0-9] = %127[^\n]", key, value) >= 1);
        assert_true(ret->count < sizeof ret->keys / sizeof *ret->keys);
        struct documented_key *to = &ret->keys[ret->count++];
        memcpy(to->section, section, sizeof section);
        memcpy(to->name, key, sizeof key);
        memcpy(to->value, value, sizeof value);
    }
}

static void complain(struct documentation *d, const char *what, const char *section, const char *key) {
    if (d->complaint)
        return;
    d->complaint = what;
    (void)snprintf(d->where, sizeof d->where, "[%s] %s", section, key);
}

static void find_key(void *context, const char *section, const char *key, const char *fallback) {
    struct documentation *d = context;
    for (size_t i = 0; i < d->count; i++) {
        struct documented_key *k = &d->keys[i];
        if (strcmp(k->section, section) != 0 || strcmp(k->name, key) != 0)
            continue;
        if (k->in_table)
            complain(d, "stands twice in the file", section, key);
        if (fallback[0] && strcmp(k->value, fallback) != 0)
            complain(d, "has another default in the file", section, key);
        k->in_table = true;
        return;
    }
    complain(d, "is not in the file", section, key);
}

static const char *compare_with_table(struct documentation *d) {
    ob_config_each_key(find_key, d);
    for (size_t i = 0; i < d->count; i++)
        if (!d->keys[i].in_table)
            complain(d, "is in the file and is no key", d->keys[i].section, d->keys[i].name);
    return d->complaint;
}

#define EXAMPLE_MAX (1 << 16)

static void read_example(char ret_text[static EXAMPLE_MAX]) {
    char *text = NULL;
    size_t bytes = 0;
    assert_int_equal(
        ob_file_read(OB_SOURCE_ROOT "/configs/onebyte.conf", EXAMPLE_MAX - 1, &text, &bytes, NULL), OB_OK);
    memcpy(ret_text, text, bytes + 1);
    free(text);
}

static void every_key_is_documented_and_no_other(void **state) {
    (void)state;
    static struct documentation d;
    static char text[EXAMPLE_MAX];
    read_example(text);
    read_documentation(text, &d);
    if (compare_with_table(&d))
        fail_msg("configs/onebyte.conf: %s %s", d.where, d.complaint);
}

/* The example with one thing replaced: what the comparison says. */
static const char *complaint_after(const char *old, const char *new) {
    static struct documentation d;
    static char text[EXAMPLE_MAX];
    char *changed = NULL;
    read_example(text);
    char *at = strstr(text, old);
    assert_non_null(at);
    *at = 0;
    assert_true(asprintf(&changed, "%s%s%s", text, new, at + strlen(old)) > 0);
    read_documentation(changed, &d);
    free(changed);
    const char *complaint = compare_with_table(&d);
    assert_non_null(complaint);
    return complaint;
}

/* The comparison finds what it is for: in each direction, and in the wrong section. */
static void the_comparison_can_fail(void **state) {
    (void)state;
    assert_string_equal(complaint_after("\nsolo = no\n", "\n"), "is not in the file");
    assert_string_equal(complaint_after("\nsolo = no\n", "\nsolo = no\nduo = no\n"),
                        "is in the file and is no key");
    assert_string_equal(complaint_after("\nsolo = no\n", "\nsolo = yes\n"),
                        "has another default in the file");
    assert_string_equal(complaint_after("[training]", "[learning]"), "is not in the file");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(read_defaults_and_override),
        cmocka_unit_test(read_samples_of_rows),
        cmocka_unit_test(read_when_to_train),
        cmocka_unit_test(read_peers),
        cmocka_unit_test(read_join_strings),
        cmocka_unit_test(bad_settings_are_named),
        cmocka_unit_test(every_key_is_documented_and_no_other),
        cmocka_unit_test(the_comparison_can_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
