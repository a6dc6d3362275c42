/* invite, renew, revoke, authority rotate, cert show: what the holder of a run's authority key does.
 *
 * The sequence of everything that an authority signs is the time in milliseconds: later entries replace
 * earlier ones, and a rotation can say up to when the old key counted. */
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/options.h"
#include "run/certificate.h"
#include "run/manifest.h"

static uint64_t wall_ms(void) {
    return ob_wall_ns() / 1000000;
}

/* "30d", "12h", "90m", "60s" from now, or "never" (0). */
static bool read_expiry(const struct ob_tool_option *option, uint64_t *ret_expiry_s) {
    char unit = 0, extra = 0;
    unsigned long long count = 0;
    if (strcmp(option->value, "never") == 0) {
        *ret_expiry_s = 0;
        return true;
    }
    int fields = sscanf(option->value, "%9llu%c%c", &count, &unit, &extra);
    uint64_t scale = unit == 'd' ? 86400 : unit == 'h' ? 3600 : unit == 'm' ? 60 : unit == 's' ? 1 : 0;
    if (fields != 2 || scale == 0 || count == 0 || option->value[0] == '-') {
        fprintf(stderr, "onebyte: --%s is %s, expected a time such as 30d, 12h, 90m, 60s, or never\n",
                option->name, option->value);
        return false;
    }
    *ret_expiry_s = wall_ms() / 1000 + count * scale;
    return true;
}

static bool read_last_round(const struct ob_tool_option *option, uint32_t *ret_round) {
    int64_t round = 0;
    if (!option->value || strcmp(option->value, "none") == 0) {
        *ret_round = OB_CONTROL_NEVER;
        return true;
    }
    if (!ob_tool_integer(option, 0, OB_ROUNDS_MAX, &round))
        return false;
    *ret_round = (uint32_t)round;
    return true;
}

static enum ob_err load_authority(const char *path, struct ob_identity *ret_authority,
                                  struct ob_error *error) {
    enum ob_err failed = ob_identity_load(path, ret_authority, error);
    return failed ? ob_fail_within(error, failed, "the run's authority") : OB_OK;
}

static int done_writing(enum ob_err failed, const struct ob_error *error, const char *path) {
    if (failed)
        return ob_tool_complain(error);
    return puts(path) < 0;
}

int ob_tool_invite(int argc, char **argv) {
    enum { AUTHORITY, MANIFEST, MACHINE, NAME, EXPIRY, LAST_ROUND, OUT, COUNT };
    struct ob_tool_option o[COUNT] = {{.name = "authority"},
                                      {.name = "manifest"},
                                      {.name = "machine"},
                                      {.name = "name"},
                                      {.name = "expiry", .value = "30d"},
                                      {.name = "last-round"},
                                      {.name = "out"}};
    size_t count = 0;
    struct ob_error error = {0};
    struct ob_identity authority;
    struct ob_machine_id machine;
    struct ob_manifest *manifest = NULL;
    struct ob_certificate certificate = {.expiry_s = 0};
    if (!ob_tool_parse(argc, argv, o, COUNT, NULL, 0, &count))
        return OB_EXIT_USAGE;
    if (!o[AUTHORITY].value || !o[MANIFEST].value || !o[MACHINE].value || !o[NAME].value || !o[OUT].value)
        return ob_tool_usage("invite needs --authority, --manifest, --machine, --name and --out");
    if (!read_expiry(&o[EXPIRY], &certificate.expiry_s) ||
        !read_last_round(&o[LAST_ROUND], &certificate.last_round))
        return OB_EXIT_USAGE;
    size_t name_bytes = strlen(o[NAME].value);
    if (name_bytes < 1 || name_bytes > OB_CONTROL_NAME_MAX)
        return ob_tool_usage("--name has 1 to 63 bytes");
    certificate.name_bytes = (uint8_t)name_bytes;
    memcpy(certificate.name, o[NAME].value, name_bytes);
    if (ob_machine_from_text(o[MACHINE].value, &machine, &error) ||
        ob_manifest_read(o[MANIFEST].value, &manifest, &error))
        return ob_tool_complain(&error);
    certificate.run = manifest->run;
    bool first_key = true;
    enum ob_err failed = load_authority(o[AUTHORITY].value, &authority, &error);
    if (!failed) {
        first_key = ob_machine_equal(&authority.machine, &manifest->authority);
        failed =
            ob_certificate_file_write(o[OUT].value, &authority, &machine, wall_ms(), &certificate, &error);
        ob_identity_wipe(&authority);
    }
    ob_manifest_free(manifest);
    if (!failed && !first_key)
        fprintf(
            stderr,
            "onebyte: note: %s is not the key in the manifest; the certificate counts only where the run's "
            "authority was rotated to it\n",
            o[AUTHORITY].value);
    return done_writing(failed, &error, o[OUT].value);
}

static json_t *hex_json(const uint8_t *data, size_t bytes) {
    char *text = malloc(2 * bytes + 1);
    if (!text)
        return NULL;
    json_t *json = json_string(sodium_bin2hex(text, 2 * bytes + 1, data, bytes));
    free(text);
    return json;
}

/* Hands a control entry to a running daemon, which spreads it. */
static enum ob_err hand_over(const char *state_dir, const uint8_t *entry, size_t bytes,
                             struct ob_error *error) {
    json_t *answer = NULL;
    json_t *request = json_pack("{s:s, s:o}", "command", "control", "entry", hex_json(entry, bytes));
    enum ob_err failed = ob_tool_ask(state_dir, request, &answer, error);
    json_decref(request);
    json_decref(answer);
    return failed;
}

int ob_tool_renew(int argc, char **argv) {
    enum { AUTHORITY, EXPIRY, LAST_ROUND, OUT, STATE, COUNT };
    struct ob_tool_option o[COUNT] = {{.name = "authority"},
                                      {.name = "expiry", .value = "30d"},
                                      {.name = "last-round"},
                                      {.name = "out"},
                                      {.name = "state"}};
    const char *path = NULL;
    size_t count = 0;
    struct ob_error error = {0};
    struct ob_identity authority;
    struct ob_certificate_file old, renewed;
    if (!ob_tool_parse(argc, argv, o, COUNT, &path, 1, &count))
        return OB_EXIT_USAGE;
    if (count != 1 || !o[AUTHORITY].value || !o[OUT].value)
        return ob_tool_usage("renew needs the certificate, --authority and --out");
    if (ob_certificate_file_read(path, &old, &error))
        return ob_tool_complain(&error);
    struct ob_certificate certificate = old.certificate;
    if (!read_expiry(&o[EXPIRY], &certificate.expiry_s) ||
        (o[LAST_ROUND].value && !read_last_round(&o[LAST_ROUND], &certificate.last_round)))
        return OB_EXIT_USAGE;
    uint64_t sequence = wall_ms() > old.control.sequence ? wall_ms() : old.control.sequence + 1;
    enum ob_err failed = load_authority(o[AUTHORITY].value, &authority, &error);
    if (!failed) {
        failed = ob_certificate_file_write(o[OUT].value, &authority, &old.control.subject, sequence,
                                           &certificate, &error);
        ob_identity_wipe(&authority);
    }
    if (!failed && o[STATE].value) {
        failed = ob_certificate_file_read(o[OUT].value, &renewed, &error);
        if (!failed)
            failed = hand_over(o[STATE].value, renewed.entry, renewed.entry_bytes, &error);
    }
    return done_writing(failed, &error, o[OUT].value);
}

static enum ob_err run_of(const json_t *status, struct ob_run_id *ret_run, struct ob_error *error) {
    struct ob_machine_id id;
    const char *text = json_string_value(json_object_get(status, "run"));
    if (!text || ob_machine_from_text(text, &id, NULL))
        return ob_fail(error, OB_EFORMAT, "the daemon does not say which run it is in");
    memcpy(ret_run->hash.bytes, id.key, OB_HASH_BYTES);
    return OB_OK;
}

/* A machine by its key, the beginning of it (8 digits at least), or its name, among those that the daemon
 * knows. */
static enum ob_err find_machine(const json_t *status, const char *wanted, struct ob_machine_id *ret_machine,
                                uint64_t *ret_samples, struct ob_error *error) {
    const json_t *machine, *found = NULL;
    size_t i, length = strlen(wanted);
    json_array_foreach(json_object_get(status, "machines"), i, machine) {
        const char *key = json_string_value(json_object_get(machine, "machine"));
        const char *name = json_string_value(json_object_get(machine, "name"));
        bool fits =
            (key && length >= 8 && strncmp(key, wanted, length) == 0) || (name && strcmp(name, wanted) == 0);
        if (fits && found)
            return ob_fail(error, OB_EUSAGE, "\"%s\" fits more than one machine; give its whole key", wanted);
        if (fits)
            found = machine;
    }
    *ret_samples = found ? (uint64_t)json_integer_value(json_object_get(found, "samples")) : 0;
    if (found)
        wanted = json_string_value(json_object_get(found, "machine"));
    if (ob_machine_from_text(wanted, ret_machine, NULL))
        return ob_fail(error, OB_ENOTFOUND, "the daemon knows no machine \"%s\"; give its key", wanted);
    return OB_OK;
}

/* Signs and hands over. `payload` is the 8 bytes of a revocation or a rotation. */
static enum ob_err sign_and_hand_over(const char *state_dir, const struct ob_run_id *run,
                                      const struct ob_identity *authority, struct ob_control *control,
                                      uint64_t payload, struct ob_error *error) {
    uint8_t entry[OB_CONTROL_PLAIN_BYTES_MAX], bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(payload >> 8 * i);
    control->signer = authority->machine;
    control->sequence = wall_ms();
    control->payload = bytes;
    control->payload_bytes = sizeof bytes;
    return hand_over(state_dir, entry, ob_control_sign(run, control, authority->secret_key, entry), error);
}

static enum ob_err revoke(const char *state_dir, const char *wanted, const char *authority_path,
                          int64_t keep_below, struct ob_error *error) {
    json_t *request = json_pack("{s:s}", "command", "status"), *status = NULL;
    struct ob_run_id run;
    struct ob_identity authority;
    struct ob_control control = {.kind = OB_CONTROL_REVOCATION};
    uint64_t samples = 0;
    char text[OB_HEX_KEY_MAX];
    enum ob_err failed = ob_tool_ask(state_dir, request, &status, error);
    json_decref(request);
    if (!failed)
        failed = run_of(status, &run, error);
    if (!failed)
        failed = find_machine(status, wanted, &control.subject, &samples, error);
    json_decref(status);
    if (!failed)
        failed = load_authority(authority_path, &authority, error);
    if (failed)
        return failed;
    uint64_t keep = keep_below >= 0 ? (uint64_t)keep_below : samples;
    failed = sign_and_hand_over(state_dir, &run, &authority, &control, keep, error);
    ob_identity_wipe(&authority);
    ob_machine_to_text(&control.subject, text);
    if (!failed)
        printf("%s revoked; its samples below %llu count on\n", text, (unsigned long long)keep);
    return failed;
}

int ob_tool_revoke(int argc, char **argv) {
    struct ob_tool_option o[] = {{.name = "authority"}, {.name = "keep-below"}};
    const char *operands[2];
    size_t count = 0;
    int64_t keep_below = -1;
    struct ob_error error = {0};
    if (!ob_tool_parse(argc, argv, o, 2, operands, 2, &count))
        return OB_EXIT_USAGE;
    if (count != 2 || !o[0].value)
        return ob_tool_usage("revoke needs a state directory, a machine and --authority");
    if (o[1].value && !ob_tool_integer(&o[1], 0, INT64_MAX, &keep_below))
        return OB_EXIT_USAGE;
    if (revoke(operands[0], operands[1], o[0].value, keep_below, &error))
        return ob_tool_complain(&error);
    return OB_EXIT_DONE;
}

static enum ob_err rotate(const char *state_dir, const char *old_path, const char *new_path,
                          struct ob_error *error) {
    json_t *request = json_pack("{s:s}", "command", "status"), *status = NULL;
    struct ob_run_id run;
    struct ob_identity old, fresh;
    struct ob_control control = {.kind = OB_CONTROL_ROTATION};
    enum ob_err failed = ob_tool_ask(state_dir, request, &status, error);
    json_decref(request);
    if (!failed)
        failed = run_of(status, &run, error);
    json_decref(status);
    if (!failed)
        failed = load_authority(old_path, &old, error);
    if (failed)
        return failed;
    ob_identity_generate(&fresh);
    failed = ob_identity_save(&fresh, new_path, error); /* on disk before anybody is told */
    control.subject = fresh.machine;
    if (!failed)
        failed = sign_and_hand_over(state_dir, &run, &old, &control, wall_ms() + 1, error);
    ob_identity_wipe(&old);
    ob_identity_wipe(&fresh);
    return failed;
}

int ob_tool_authority(int argc, char **argv) {
    struct ob_tool_option o[] = {{.name = "authority"}, {.name = "out"}};
    const char *operands[2];
    size_t count = 0;
    struct ob_error error = {0};
    if (!ob_tool_parse(argc, argv, o, 2, operands, 2, &count))
        return OB_EXIT_USAGE;
    if (count != 2 || strcmp(operands[0], "rotate") != 0 || !o[0].value || !o[1].value)
        return ob_tool_usage("expected `authority rotate STATE_DIR --authority FILE --out FILE`");
    return done_writing(rotate(operands[1], o[0].value, o[1].value, &error), &error, o[1].value);
}

int ob_tool_cert(int argc, char **argv) {
    const char *operands[2];
    size_t count = 0;
    struct ob_error error = {0};
    struct ob_certificate_file file;
    char run[OB_HEX_KEY_MAX], machine[OB_HEX_KEY_MAX], signer[OB_HEX_KEY_MAX], expiry[OB_TIME_TEXT_MAX];
    if (!ob_tool_parse(argc, argv, NULL, 0, operands, 2, &count))
        return OB_EXIT_USAGE;
    if (count != 2 || strcmp(operands[0], "show") != 0)
        return ob_tool_usage("expected `cert show FILE`");
    if (ob_certificate_file_read(operands[1], &file, &error))
        return ob_tool_complain(&error);
    sodium_bin2hex(run, sizeof run, file.certificate.run.hash.bytes, OB_HASH_BYTES);
    ob_machine_to_text(&file.control.subject, machine);
    ob_machine_to_text(&file.control.signer, signer);
    ob_time_to_text(file.certificate.expiry_s, expiry);
    printf("run        %s\nmachine    %s\nname       %s\nauthority  %s\nexpires    %s\n", run, machine,
           file.certificate.name, signer, expiry);
    if (file.certificate.last_round != OB_CONTROL_NEVER)
        printf("last round %u\n", file.certificate.last_round);
    enum ob_err failed =
        ob_certificate_file_check(operands[1], &file, &file.control.subject, NULL, ob_wall_s(), &error);
    if (!failed)
        return OB_EXIT_DONE;
    (void)ob_tool_complain(&error);
    return OB_EXIT_CHECK;
}
