#include "cli/authority.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/limits.h"
#include "cli/ask.h"
#include "cli/passphrase.h"
#include "model/formats/json_value.h"

uint64_t ob_cli_sequence(void) {
    return ob_wall_ns() / 1000000;
}

enum ob_err ob_cli_expiry(const char *text, uint64_t *ret_expiry_s, struct ob_error *error) {
    char unit = 0, extra = 0;
    unsigned long long count = 0;
    if (strcmp(text, "never") == 0) {
        *ret_expiry_s = 0;
        return OB_OK;
    }
    int fields = sscanf(text, "%9llu%c%c", &count, &unit, &extra);
    static const char UNITS[] = "smhdwy";
    static const uint64_t SECONDS[] = {1, 60, 3600, 86400, 7 * 86400, 365 * 86400};
    const char *at = unit ? strchr(UNITS, unit) : NULL;
    uint64_t scale = at ? SECONDS[at - UNITS] : 0;
    if (fields != 2 || scale == 0 || count == 0 || text[0] == '-')
        return ob_fail(error, OB_EUSAGE,
                       "--expiry is \"%s\", expected a time such as 1y, 6w, 30d, 12h, 90m, 60s, or never",
                       text);
    *ret_expiry_s = ob_wall_s() + count * scale;
    return OB_OK;
}

enum ob_err ob_cli_last_round(const char *text, uint32_t *ret_round, struct ob_error *error) {
    char *end;
    if (strcmp(text, "none") == 0) {
        *ret_round = OB_CONTROL_NEVER;
        return OB_OK;
    }
    long long round = strtoll(text, &end, 10);
    if (end == text || *end || round < 0 || round > OB_ROUNDS_MAX)
        return ob_fail(error, OB_EUSAGE,
                       "--last-round is \"%s\", expected a whole number from 0 to %lld, or none", text,
                       (long long)OB_ROUNDS_MAX);
    *ret_round = (uint32_t)round;
    return OB_OK;
}

enum ob_err ob_cli_load_authority(const char *path, struct ob_identity *ret_authority,
                                  struct ob_error *error) {
    char passphrase[OB_SEALED_PASSPHRASE_MAX];
    struct ob_sealed sealed;
    enum ob_err failed = OB_OK;
    if (!ob_cli_is_sealed(path, &sealed)) {
        failed = ob_identity_load(path, ret_authority, error);
        return failed ? ob_fail_within(error, failed, "the run's authority key") : OB_OK;
    }
    failed = ob_cli_passphrase("Passphrase of the run's authority key: ", false, passphrase, error);
    if (!failed)
        failed = ob_sealed_open(path, &sealed, passphrase, ret_authority, error);
    explicit_bzero(passphrase, sizeof passphrase);
    return failed;
}

enum ob_err ob_cli_hand_over(const char *state_dir, const uint8_t *entry, size_t bytes,
                             struct ob_error *error) {
    json_t *answer = NULL;
    json_t *request = json_pack("{s:s, s:o}", "command", "control", "entry", ob_json_hex(entry, bytes));
    enum ob_err failed = ob_cli_ask(state_dir, request, &answer, error);
    json_decref(request);
    json_decref(answer);
    return failed;
}

enum ob_err ob_cli_sign_and_hand_over(const char *state_dir, const struct ob_run_id *run,
                                      const struct ob_identity *authority, struct ob_control *control,
                                      uint64_t payload, struct ob_error *error) {
    uint8_t entry[OB_CONTROL_PLAIN_BYTES_MAX], bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(payload >> 8 * i);
    control->signer = authority->machine;
    control->sequence = ob_cli_sequence();
    control->payload = bytes;
    control->payload_bytes = sizeof bytes;
    size_t entry_bytes = ob_control_sign(run, control, authority->secret_key, entry);
    return ob_cli_hand_over(state_dir, entry, entry_bytes, error);
}

enum ob_err ob_cli_run_of(const json_t *status, struct ob_run_id *ret_run, struct ob_error *error) {
    struct ob_machine_id id;
    const char *text = json_string_value(json_object_get(status, "run"));
    if (!text || ob_machine_from_text(text, &id, NULL))
        return ob_fail(error, OB_EFORMAT, "the daemon's status does not contain its run");
    memcpy(ret_run->hash.bytes, id.key, OB_HASH_BYTES);
    return OB_OK;
}
