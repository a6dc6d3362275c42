#include "cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/hidden_line.h"

bool ob_cli_is_sealed(const char *path, struct ob_sealed *ret_sealed) {
    char *text = NULL;
    size_t bytes = 0;
    if (ob_file_read(path, OB_SEALED_TEXT_MAX, &text, &bytes, NULL) != OB_OK)
        return false;
    bool sealed = ob_sealed_parse(path, text, bytes, ret_sealed, NULL) == OB_OK;
    explicit_bzero(text, bytes);
    free(text);
    return sealed;
}

static enum ob_err take_line(FILE *from, const char *name, char ret_line[static OB_SEALED_PASSPHRASE_MAX],
                             struct ob_error *error) {
    if (!fgets(ret_line, OB_SEALED_PASSPHRASE_MAX, from))
        ret_line[0] = 0;
    ret_line[strcspn(ret_line, "\r\n")] = 0;
    return ret_line[0] ? OB_OK : ob_fail(error, OB_EUSAGE, "%s: no passphrase", name);
}

static enum ob_err ask_twice(int terminal, const char *prompt, char ret_line[static OB_SEALED_PASSPHRASE_MAX],
                             struct ob_error *error) {
    char again[OB_SEALED_PASSPHRASE_MAX];
    enum ob_err failed = ob_cli_hidden_line(terminal, prompt, ret_line, OB_SEALED_PASSPHRASE_MAX, error);
    if (!failed)
        failed = ob_cli_hidden_line(terminal, "The same again: ", again, sizeof again, error);
    if (!failed && strcmp(ret_line, again) != 0)
        failed = ob_fail(error, OB_EUSAGE, "the two passphrases differ: nothing was changed");
    explicit_bzero(again, sizeof again);
    return failed;
}

static enum ob_err read_file(const char *path, char ret_line[static OB_SEALED_PASSPHRASE_MAX],
                             struct ob_error *error) {
    FILE *from = fopen(path, "re");
    if (!from)
        return ob_fail(error, OB_EUSAGE, "ONEBYTE_PASSPHRASE_FILE: %s: %s", path, strerror(errno));
    enum ob_err failed = take_line(from, path, ret_line, error);
    (void)fclose(from);
    return failed;
}

enum ob_err ob_cli_passphrase(const char *prompt, bool twice,
                              char ret_passphrase[static OB_SEALED_PASSPHRASE_MAX], struct ob_error *error) {
    const char *path = getenv("ONEBYTE_PASSPHRASE_FILE");
    if (path && path[0])
        return read_file(path, ret_passphrase, error);
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (terminal < 0)
        return ob_fail(error, OB_EUSAGE,
                       "the authority key has a passphrase, and there is no terminal to ask for it: set "
                       "ONEBYTE_PASSPHRASE_FILE to a file whose first line is the passphrase");
    enum ob_err failed =
        twice ? ask_twice(terminal, prompt, ret_passphrase, error)
              : ob_cli_hidden_line(terminal, prompt, ret_passphrase, OB_SEALED_PASSPHRASE_MAX, error);
    (void)close(terminal);
    return failed;
}
