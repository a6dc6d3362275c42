#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/authority.h"
#include "cli/command.h"
#include "cli/key.h"
#include "run/certificate.h"
#include "run/manifest.h"

struct arguments {
    const char *authority, *manifest, *machine, *name, *expiry, *last_round, *out;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const struct ob_option OPTIONS[] = {
    OB_OPTION_AUTHORITY(struct arguments),
    OB_OPTION_MANIFEST(struct arguments),
    {"machine", "KEY", "public key that `onebyte keygen` printed on the machine, or its file FILE.pub",
     AT(machine), .required = true},
    {"name", "NAME", "name for the machine: 1 to 63 bytes of UTF-8, no control characters", AT(name),
     .required = true},
    {"out", "FILE", "certificate to write; must not exist", AT(out), .required = true},
    {"expiry", "TIME", OB_EXPIRY_HELP, AT(expiry), .fallback = "30d"},
    {"last-round", "N", "last round whose records are valid", AT(last_round), .fallback = "none"},
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

static int invite(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    struct ob_manifest *manifest = NULL;
    struct ob_certificate certificate = {.expiry_s = 0};
    enum ob_err failed = ob_cli_expiry(a->expiry, &certificate.expiry_s, &error);
    if (!failed)
        failed = ob_cli_last_round(a->last_round, &certificate.last_round, &error);
    if (!failed)
        failed = set_name(a->name, &certificate, &error);
    if (!failed)
        failed = ob_manifest_read(a->manifest, &manifest, &error);
    if (!failed)
        failed = sign(a, manifest, &certificate, &error);
    ob_manifest_free(manifest);
    if (failed)
        return ob_cli_fail(&error);
    puts(a->out);
    return OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_INVITE = {
    .name = "invite",
    .summary = "admit a machine to a run: sign its certificate",
    .details =
        "Send the certificate to the machine and save it there as STATE_DIR/certificate. It is not secret.",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = invite,
};
