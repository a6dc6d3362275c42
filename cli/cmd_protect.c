#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/authority.h"
#include "cli/command.h"
#include "cli/passphrase.h"

struct arguments {
    const char *path;
    bool off;
};

static const struct ob_operand OPERANDS[] = {
    {"FILE", "the authority key, for example ~/.local/state/onebyte/NAME/authority",
     offsetof(struct arguments, path)}};
static const struct ob_option OPTIONS[] = {
    {"off", NULL, "take the passphrase away: a plain key again", OB_ARGUMENT(struct arguments, off)}};

/* Over the old file at once, so that a crash leaves one of the two. */
static enum ob_err replace(const char *path, const char *text, struct ob_error *error) {
    char fresh[OB_PATH_MAX];
    enum ob_err failed = ob_path_append(fresh, path, ".new", error);
    if (!failed)
        failed = ob_file_write_new(fresh, text, strlen(text), 0600, error);
    if (failed)
        return failed;
    if (rename(fresh, path) == 0)
        return OB_OK;
    (void)unlink(fresh);
    return ob_fail(error, OB_EIO, "%s: cannot replace it", path);
}

static enum ob_err seal(const char *path, struct ob_error *error) {
    char passphrase[OB_SEALED_PASSPHRASE_MAX], text[OB_SEALED_TEXT_MAX];
    struct ob_identity authority;
    struct ob_sealed sealed;
    if (ob_cli_is_sealed(path, &sealed))
        return ob_fail(error, OB_EUSAGE, "%s: already has a passphrase; --off takes it away", path);
    enum ob_err failed = ob_cli_load_authority(path, &authority, error);
    if (!failed)
        failed = ob_cli_passphrase("New passphrase: ", true, passphrase, error);
    if (!failed)
        failed = ob_sealed_seal(&authority, passphrase, &sealed, error);
    explicit_bzero(passphrase, sizeof passphrase);
    ob_identity_wipe(&authority);
    if (failed)
        return failed;
    ob_sealed_write(&sealed, text);
    return replace(path, text, error);
}

static enum ob_err unseal(const char *path, struct ob_error *error) {
    char fresh[OB_PATH_MAX], public[OB_PATH_MAX];
    struct ob_identity authority;
    struct ob_sealed sealed;
    if (!ob_cli_is_sealed(path, &sealed))
        return ob_fail(error, OB_EUSAGE, "%s: has no passphrase", path);
    enum ob_err failed = ob_cli_load_authority(path, &authority, error);
    if (!failed)
        failed = ob_path_append(fresh, path, ".new", error);
    if (!failed)
        failed = ob_path_append(public, fresh, ".pub", error);
    if (!failed)
        failed = ob_identity_save(&authority, fresh, error);
    ob_identity_wipe(&authority);
    if (failed)
        return failed;
    (void)unlink(public); /* FILE.pub is there already */
    return rename(fresh, path) == 0 ? OB_OK : ob_fail(error, OB_EIO, "%s: cannot replace it", path);
}

static int protect(const void *arguments) {
    const struct arguments *a = arguments;
    struct ob_error error = {0};
    enum ob_err failed = a->off ? unseal(a->path, &error) : seal(a->path, &error);
    if (failed)
        return ob_cli_fail(&error);
    puts(a->off ? "a plain key again" : "needs its passphrase from now on; without it the key is lost");
    return OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_AUTHORITY_PROTECT = {
    .name = "authority protect",
    .summary = "put an authority key under a passphrase",
    .details =
        "The key is encrypted under a key that Argon2id makes of the passphrase. Commands that sign with it "
        "ask on the "
        "terminal, or read the first line of the file that $ONEBYTE_PASSPHRASE_FILE names. Copies that were "
        "made before stay plain.",
    OB_OPERANDS(OPERANDS),
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .run = protect,
};
