#include <stdio.h>
#include <unistd.h>

#include "cli/authority.h"
#include "cli/command.h"
#include "cli/known_authority.h"
#include "run/certificate.h"

struct arguments {
    const char *certificate, *authority, *expiry, *last_round, *out, *state_dir;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const struct ob_operand OPERANDS[] = {
    {"CERTIFICATE", "the current certificate", offsetof(struct arguments, certificate)}};
static const struct ob_option OPTIONS[] = {
    OB_OPTION_AUTHORITY(struct arguments),
    {"out", "FILE", "certificate to write; must not exist", AT(out), .required = true},
    {"expiry", "TIME", OB_EXPIRY_HELP, AT(expiry), .fallback = "30d"},
    {"last-round", "N", "last round whose records are valid; none: no limit; default: unchanged",
     AT(last_round)},
    {"state", "STATE_DIR",
     "also hand the certificate to the daemon there, which spreads it, so that no machine has to restart",
     AT(state_dir)},
};

static enum ob_err sign(const struct arguments *a, const struct ob_certificate_file *old,
                        const struct ob_certificate *certificate, struct ob_error *error) {
    struct ob_identity authority;
    uint64_t now = ob_cli_sequence(), before = old->control.sequence;
    enum ob_err failed = ob_cli_load_authority(a->authority, &authority, error);
    if (failed)
        return failed;
    if (!a->state_dir) /* else the daemon says whether it takes it */
        failed = ob_cli_check_authority(a->authority, &authority.machine, a->certificate, old, error);
    if (!failed)
        failed = ob_certificate_file_write(a->out, &authority, &old->control.subject,
                                           now > before ? now : before + 1, certificate, error);
    ob_identity_wipe(&authority);
    return failed;
}

static int renew(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    struct ob_certificate_file old, renewed;
    struct ob_certificate certificate;
    enum ob_err failed = ob_certificate_file_read(a->certificate, &old, &error);
    if (failed)
        return ob_cli_fail(&error);
    certificate = old.certificate;
    failed = ob_cli_expiry(a->expiry, &certificate.expiry_s, &error);
    if (!failed && a->last_round)
        failed = ob_cli_last_round(a->last_round, &certificate.last_round, &error);
    if (!failed)
        failed = sign(a, &old, &certificate, &error);
    if (!failed && a->state_dir)
        failed = ob_certificate_file_read(a->out, &renewed, &error);
    if (!failed && a->state_dir)
        failed = ob_cli_hand_over(a->state_dir, renewed.entry, renewed.entry_bytes, &error);
    if (failed == OB_ESTATE)  /* the daemon said no */
        (void)unlink(a->out); /* nobody takes it */
    if (failed)
        return ob_cli_fail(&error);
    puts(a->out);
    return OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_RENEW = {
    .name = "renew",
    .summary = "sign a certificate again, with a later expiry",
    .details = "The authority key must be the run's. With --state the daemon there decides; without, the log "
               "of the state "
               "directory in which CERTIFICATE is, or else the key that signed it so far.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = renew,
};
