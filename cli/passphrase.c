#include "cli/passphrase.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"

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

static enum ob_err ask(FILE *terminal, const char *prompt, char ret_line[static OB_SEALED_PASSPHRASE_MAX],
                       struct ob_error *error) {
    struct termios before, silent;
    bool known = tcgetattr(fileno(terminal), &before) == 0;
    if (known) {
        silent = before;
        silent.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(fileno(terminal), TCSAFLUSH, &silent);
    }
    (void)fputs(prompt, terminal);
    (void)fflush(terminal);
    enum ob_err failed = take_line(terminal, "the terminal", ret_line, error);
    (void)fputc('\n', terminal);
    (void)fflush(terminal);
    if (known)
        (void)tcsetattr(fileno(terminal), TCSAFLUSH, &before);
    return failed;
}

static enum ob_err ask_twice(FILE *terminal, const char *prompt,
                             char ret_line[static OB_SEALED_PASSPHRASE_MAX], struct ob_error *error) {
    char again[OB_SEALED_PASSPHRASE_MAX];
    enum ob_err failed = ask(terminal, prompt, ret_line, error);
    if (!failed)
        failed = ask(terminal, "The same again: ", again, error);
    if (!failed && strcmp(ret_line, again) != 0)
        failed = ob_fail(error, OB_EUSAGE, "the two passphrases differ: nothing was changed");
    explicit_bzero(again, sizeof again);
    return failed;
}

enum ob_err ob_cli_passphrase(const char *prompt, bool twice,
                              char ret_passphrase[static OB_SEALED_PASSPHRASE_MAX], struct ob_error *error) {
    const char *path = getenv("ONEBYTE_PASSPHRASE_FILE");
    FILE *from = path && path[0] ? fopen(path, "re") : fopen("/dev/tty", "r+e");
    if (!from && path && path[0])
        return ob_fail(error, OB_EUSAGE, "ONEBYTE_PASSPHRASE_FILE: %s: %s", path, strerror(errno));
    if (!from)
        return ob_fail(error, OB_EUSAGE,
                       "the authority key has a passphrase, and there is no terminal to ask for it: set "
                       "ONEBYTE_PASSPHRASE_FILE to a file whose first line is the passphrase");
    enum ob_err failed = path && path[0] ? take_line(from, path, ret_passphrase, error)
                         : twice         ? ask_twice(from, prompt, ret_passphrase, error)
                                         : ask(from, prompt, ret_passphrase, error);
    (void)fclose(from);
    return failed;
}
