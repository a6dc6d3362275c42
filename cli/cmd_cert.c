#include <stdio.h>

#include "base/clock.h"
#include "base/hex.h"
#include "cli/command.h"
#include "run/certificate.h"

struct arguments {
    const char *path;
};

static const struct ob_operand OPERANDS[] = {{"FILE", "the certificate", offsetof(struct arguments, path)}};

static int show(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    struct ob_certificate_file file;
    char run[OB_HEX_KEY_MAX], machine[OB_HEX_KEY_MAX], signer[OB_HEX_KEY_MAX], expiry[OB_TIME_TEXT_MAX];
    if (ob_certificate_file_read(a->path, &file, &error))
        return ob_cli_fail(&error);
    ob_hex_encode(file.certificate.run.hash.bytes, OB_HASH_BYTES, run);
    ob_machine_to_text(&file.control.subject, machine);
    ob_machine_to_text(&file.authority, signer);
    ob_time_to_text(file.certificate.expiry_s, expiry);
    printf("run        %s\nmachine    %s\nname       %s\nauthority  %s\nexpires    %s\n", run, machine,
           file.certificate.name, signer, expiry);
    if (file.invited)
        printf("invited    for \"%s\"\n", ob_control_invitation(&file.invitation).pattern);
    if (file.certificate.last_round != OB_CONTROL_NEVER)
        printf("last round %u\n", file.certificate.last_round);
    if (!ob_certificate_file_check(a->path, &file, &file.control.subject, ob_wall_s(), &error))
        return OB_EXIT_DONE;
    (void)ob_cli_fail(&error);
    return OB_EXIT_CHECK;
}

const struct ob_command OB_COMMAND_CERT_SHOW = {
    .name = "cert show",
    .summary = "show a certificate",
    .details = "The exit code is 3 if it has expired or was altered.",
    OB_OPERANDS(OPERANDS),
    .arguments_bytes = sizeof(struct arguments),
    .run = show,
};
