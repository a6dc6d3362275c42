#include "cli/key.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hex.h"
#include "transport/identity.h"

enum ob_err ob_cli_read_key(const char *option, const char *given, struct ob_machine_id *ret_key,
                            struct ob_error *error) {
    char *text = NULL;
    size_t bytes = 0;
    if (ob_machine_from_text(given, ret_key, NULL) == OB_OK)
        return OB_OK;
    if (access(given, F_OK) != 0)
        return ob_fail(error, OB_EUSAGE, "--%s: %s is neither 64 hexadecimal digits nor a file", option,
                       given);
    enum ob_err failed = ob_file_read(given, OB_HEX_KEY_MAX, &text, &bytes, error);
    if (failed == OB_ETOOBIG)
        return ob_fail(error, OB_EFORMAT, "--%s: %s is not a public key; name the file that ends in .pub",
                       option, given);
    if (failed)
        return ob_fail_within(error, failed, "--%s", option);
    text[strcspn(text, "\r\n")] = 0;
    failed = ob_machine_from_text(text, ret_key, error);
    free(text);
    return failed ? ob_fail(error, failed, "%s: not a public key that `onebyte` wrote", given) : OB_OK;
}
