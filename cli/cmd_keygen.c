#include <stdio.h>

#include "cli/command.h"
#include "transport/identity.h"

struct arguments {
    const char *path;
};

static const struct ob_operand OPERANDS[] = {
    {"FILE", "file to write; must not exist", offsetof(struct arguments, path)}};

static int keygen(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_identity identity;
    struct ob_error error = {0};
    char text[OB_HEX_KEY_MAX];
    ob_identity_generate(&identity);
    ob_machine_to_text(&identity.machine, text);
    enum ob_err failed = ob_identity_save(&identity, a->path, &error);
    ob_identity_wipe(&identity);
    if (failed)
        return ob_cli_fail(&error);
    puts(text);
    return OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_KEYGEN = {
    .name = "keygen",
    .summary = "create a machine's identity",
    .details =
        "Writes an Ed25519 identity to FILE (mode 0600) and its public key to FILE.pub, and prints the "
        "public key, which `onebyte invite` needs.",
    OB_OPERANDS(OPERANDS),
    .arguments_bytes = sizeof(struct arguments),
    .run = keygen,
};
