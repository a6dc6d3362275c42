#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/authority.h"
#include "cli/base.h"
#include "cli/command.h"
#include "cli/invitations.h"
#include "cli/key.h"
#include "cli/model_list.h"
#include "cli/places.h"
#include "run/certificate.h"
#include "run/last_start.h"

struct arguments {
    struct ob_cli_at at;
    const char *authority, *machine, *name, *operand, *expiry, *member_expiry, *last_round, *out;
    int64_t uses, count;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const struct ob_operand OPERANDS[] = {{"NAME",
                                              "name of the machine; `*` in it stands for what a machine adds",
                                              offsetof(struct arguments, operand), .optional = true}};

static const struct ob_option OPTIONS[] = {
    {"uses", "N", "how many machines the token admits; with more than one, NAME is a pattern", AT(uses),
     .low = 1, .high = OB_INVITATION_USES_MAX, .fallback = "1"},
    {"count", "N", "so many tokens, for NAME-1 to NAME-N", AT(count), .low = 1,
     .high = OB_CLI_INVITATIONS_MAX, .fallback = "1"},
    {"expiry", "TIME",
     "until when the token can be used: 1y, 6w, 30d, 12h, 90m, 60s or never; default: 7d. With --machine: "
     "how long "
     "the certificate is valid; default: never",
     AT(expiry)},
    {"member-expiry", "TIME", "how long those whom the token admits stay members", AT(member_expiry),
     .fallback = "never"},
    {"last-round", "N", "last round whose records are valid", AT(last_round), .fallback = "none"},
    {"authority", "FILE", "the run's authority key; default: STATE_DIR/authority, as `onebyte up` writes it",
     AT(authority)},
    {"state", "STATE_DIR", "state directory of the run; default: as for other commands", AT(at.state_dir)},
    OB_OPTION_RUN(struct arguments),
    OB_OPTION_RUN_MANIFEST(struct arguments),
    {"machine", "KEY",
     "sign a certificate for this key instead: what `onebyte keygen` printed on the machine, or its file "
     "FILE.pub",
     AT(machine)},
    {"name", "NAME", "with --machine: name for the machine: 1 to 63 bytes of UTF-8, no control characters",
     AT(name)},
    {"out", "FILE", "with --machine: certificate to write; must not exist", AT(out)},
};

/* A name that others could not show is refused where it is made. */
static enum ob_err set_name(const char *name, struct ob_certificate *certificate, struct ob_error *error) {
    size_t bytes = strlen(name);
    json_t *utf8 = json_string(name);
    json_decref(utf8);
    if (bytes < 1 || bytes > OB_CONTROL_NAME_MAX)
        return ob_fail(error, OB_EUSAGE, "--name has %zu bytes, expected 1 to %d", bytes,
                       OB_CONTROL_NAME_MAX);
    if (!utf8)
        return ob_fail(error, OB_EUSAGE, "--name is not UTF-8");
    certificate->name_bytes = (uint8_t)bytes;
    memcpy(certificate->name, name, bytes);
    return OB_OK;
}

static enum ob_err sign(const struct arguments *a, const struct ob_manifest *manifest,
                        struct ob_certificate *certificate, struct ob_error *error) {
    struct ob_identity authority;
    struct ob_machine_id machine;
    enum ob_err failed = ob_cli_read_key("machine", a->machine, &machine, error);
    if (!failed)
        failed = ob_cli_load_authority(a->authority, &authority, error);
    if (failed)
        return failed;
    bool first_key = ob_machine_equal(&authority.machine, &manifest->authority);
    certificate->run = manifest->run;
    failed = ob_certificate_file_write(a->out, &authority, &machine, ob_cli_sequence(), certificate, error);
    ob_identity_wipe(&authority);
    if (!failed && !first_key)
        fprintf(
            stderr,
            "onebyte: note: %s is not the key in the manifest; the certificate is valid only if the run's "
            "authority was rotated to this key\n",
            a->authority);
    return failed;
}

/* The certificate of one key, as a file. */
static enum ob_err certify(const struct arguments *a, struct ob_error *error) {
    struct ob_manifest *manifest = NULL;
    struct ob_certificate certificate = {.expiry_s = 0};
    if (!a->authority || !a->at.manifest || !a->name || !a->out)
        return ob_fail(error, OB_EUSAGE, "--machine needs --authority, --manifest, --name and --out");
    enum ob_err failed = ob_cli_expiry(a->expiry ? a->expiry : "never", &certificate.expiry_s, error);
    if (!failed)
        failed = ob_cli_last_round(a->last_round, &certificate.last_round, error);
    if (!failed)
        failed = set_name(a->name, &certificate, error);
    if (!failed)
        failed = ob_manifest_read(a->at.manifest, &manifest, error);
    if (!failed)
        failed = sign(a, manifest, &certificate, error);
    ob_manifest_free(manifest);
    if (!failed)
        puts(a->out);
    return failed;
}

/* ---- tokens ---- */

struct inviting {
    const struct arguments *arguments;
    struct ob_cli_place place;
    struct ob_cli_table table;
    struct ob_identity authority;
    struct ob_invitation says;
    struct ob_token token; /* what all of them share */
};

/* NAME; of several tokens NAME-1 …; for several machines with something that each adds. */
static enum ob_err set_pattern(struct inviting *i, int64_t number, struct ob_error *error) {
    const struct arguments *a = i->arguments;
    bool add = a->uses > 1 && !strchr(a->operand, '*');
    char count[24] = "";
    if (a->count > 1)
        (void)snprintf(count, sizeof count, "-%lld", (long long)number);
    int length =
        snprintf(i->says.pattern, sizeof i->says.pattern, "%s%s%s", a->operand, count, add ? "-*" : "");
    if (length >= (int)sizeof i->says.pattern)
        return ob_fail(error, OB_EUSAGE, "NAME has more than %d bytes", OB_CONTROL_NAME_MAX);
    return OB_OK;
}

static enum ob_err sign_invitation(struct inviting *i, struct ob_error *error) {
    uint8_t payload[OB_INVITATION_BYTES_MAX], key[OB_SECRET_KEY_BYTES];
    struct ob_control control = {.kind = OB_CONTROL_INVITATION,
                                 .signer = i->authority.machine,
                                 .sequence = ob_cli_sequence(),
                                 .payload = payload};
    enum ob_err failed = ob_invitation_encode(&i->says, payload, &control.payload_bytes, error);
    if (failed)
        return failed;
    randombytes_buf(i->token.seed, sizeof i->token.seed);
    ob_token_key(&i->token, key);
    memcpy(control.subject.key, key + OB_SECRET_KEY_BYTES - OB_KEY_BYTES, OB_KEY_BYTES);
    sodium_memzero(key, sizeof key);
    i->token.entry_bytes =
        ob_control_sign(&i->table.manifest->run, &control, i->authority.secret_key, i->token.entry);
    return OB_OK;
}

static enum ob_err print_token(struct inviting *i, int64_t number, bool *ret_told, struct ob_error *error) {
    char text[OB_TOKEN_TEXT_MAX];
    enum ob_err failed = set_pattern(i, number, error);
    if (!failed)
        failed = sign_invitation(i, error);
    if (!failed)
        failed = ob_cli_tell_run(i->place.state_dir, i->token.entry, i->token.entry_bytes, ret_told, error);
    if (failed)
        return failed;
    ob_token_encode(&i->token, text);
    printf("onebyte join %s\n", text);
    sodium_memzero(text, sizeof text);
    return OB_OK;
}

static enum ob_err describe_run(struct inviting *i, struct ob_error *error) {
    const struct ob_manifest *manifest = i->table.manifest;
    struct ob_last_start start;
    i->token.run = manifest->run;
    i->token.base_hash = manifest->base_hash;
    memcpy(i->token.run_name, manifest->name, sizeof i->token.run_name);
    if (ob_last_start_read(i->place.state_dir, &start, NULL) == OB_OK)
        ob_cli_base_describe(start.model, i->token.base_name, &i->token.base_bytes);
    (void)ob_cli_model_list_name(i->place.state_dir, &i->token.parts); /* zeros: it is not shared */
    for (size_t t = 0; t < manifest->tensor_count; t++)
        i->token.trained_bytes += sizeof(int32_t) * ob_cli_elements(&manifest->tensors[t]);
    return ob_cli_places(i->place.state_dir, &i->table, i->token.places, &i->token.place_count, error);
}

static enum ob_err read_bounds(struct inviting *i, struct ob_error *error) {
    const struct arguments *a = i->arguments;
    size_t there = ob_cli_each_invitation(i->table.admission, NULL, NULL);
    i->says.uses = (uint16_t)a->uses;
    enum ob_err failed = ob_cli_expiry(a->expiry ? a->expiry : "7d", &i->says.expiry_s, error);
    if (!failed)
        failed = ob_cli_expiry(a->member_expiry, &i->says.member_expiry_s, error);
    if (!failed)
        failed = ob_cli_last_round(a->last_round, &i->says.last_round, error);
    if (!failed && there + (size_t)a->count > OB_CLI_INVITATIONS_MAX)
        failed =
            ob_fail(error, OB_ETOOBIG, "the run has %zu invitations, of at most %d; use one with --uses N",
                    there, OB_CLI_INVITATIONS_MAX);
    return failed;
}

static void explain(struct inviting *i, bool told) {
    char expiry[OB_TIME_TEXT_MAX], last[sizeof i->says.pattern], hint[OB_CLI_HINT_MAX];
    bool several = i->arguments->count > 1;
    ob_time_to_text(i->says.expiry_s, expiry);
    (void)snprintf(last, sizeof last, "%s", i->says.pattern);
    (void)set_pattern(i, 1, NULL);
    fprintf(stderr, "%s admits %u machine%s as \"%s\"%s%s%s until %s. ", several ? "Each" : "It",
            i->says.uses, i->says.uses == 1 ? "" : "s", i->says.pattern, several ? " to \"" : "",
            several ? last : "", several ? "\"" : "", expiry);
    fprintf(stderr, "Send %s over a channel that others do not read.\n", several ? "each" : "it");
    if (!told)
        fprintf(stderr, "No daemon is running in %s: start one (`onebyte up%s`), or nobody can join here.\n",
                i->place.state_dir, ob_cli_hint(i->place.state_dir, "--state ", hint));
}

static enum ob_err make_tokens(struct inviting *i, struct ob_error *error) {
    const struct arguments *a = i->arguments;
    bool told = false;
    if (!a->operand)
        return ob_fail(error, OB_EUSAGE, "give a NAME for the machine; `onebyte invite --help` shows how");
    enum ob_err failed = ob_cli_find(&a->at, OB_NEED_MANIFEST, &i->place, error);
    if (!failed)
        failed = ob_cli_table_read(&i->place, &i->table, error);
    if (!failed)
        failed = ob_cli_run_authority(a->authority, &i->place, &i->table, &i->authority, error);
    if (!failed)
        failed = read_bounds(i, error);
    if (!failed)
        failed = describe_run(i, error);
    for (int64_t number = 1; number <= a->count && !failed; number++)
        failed = print_token(i, number, &told, error);
    if (!failed)
        explain(i, told);
    return failed;
}

static int invite(const void *arguments) {
    struct ob_error error = {0};
    struct inviting i = {.arguments = arguments};
    enum ob_err failed = i.arguments->machine ? certify(i.arguments, &error) : make_tokens(&i, &error);
    ob_identity_wipe(&i.authority);
    ob_token_wipe(&i.token);
    ob_cli_table_free(&i.table);
    return failed ? ob_cli_fail(&error) : OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_INVITE = {
    .name = "invite",
    .summary = "admit machines to a run: print a token for `onebyte join`, or sign a certificate",
    .details = "Prints one command for each token; run it on the machine that is to join. A token is secret: "
               "whoever has it may join, within its uses and until it expires. `onebyte machines` lists "
               "whom tokens have admitted, `onebyte withdraw` ends one.\n\nWith --machine, signs a "
               "certificate for a key that the "
               "machine made: save it there as STATE_DIR/certificate. It is not secret.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = invite,
};
