#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifdef __clang_analyzer__
#undef ob_fail
#undef ob_fail_within
#endif

static const char *const TEXTS[OB_ERR_COUNT] = {
    [OB_OK] = "success",
    [OB_ENOMEM] = "out of memory",
    [OB_EIO] = "input/output error",
    [OB_ENOTFOUND] = "not found",
    [OB_EFORMAT] = "bad format",
    [OB_ETOOBIG] = "too big",
    [OB_EUNSUPPORTED] = "not supported",
    [OB_EMISMATCH] = "mismatch",
    [OB_EREFUSED] = "refused",
    [OB_ENOTFINITE] = "not finite",
    [OB_EBUSY] = "busy",
    [OB_ESTATE] = "wrong state",
    [OB_EUSAGE] = "bad usage",
    [OB_ETIMEOUT] = "timed out",
    [OB_EFULL] = "disk full",
    [OB_ELOCKED] = "locked",
    [OB_EMOVED] = "moved away",
};

const char *ob_err_text(enum ob_err code) {
    if ((unsigned)code >= OB_ERR_COUNT)
        return "unknown error";
    return TEXTS[code];
}

enum ob_err ob_fail(struct ob_error *error, enum ob_err code, const char *format, ...) {
    assert(code != OB_OK);
    if (error == NULL)
        return code;
    error->code = code;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return code;
}

enum ob_err ob_fail_within(struct ob_error *error, enum ob_err code, const char *format, ...) {
    assert(code != OB_OK);
    if (error == NULL)
        return code;
    error->code = code;
    char before[OB_ERROR_TEXT_MAX];
    memcpy(before, error->text, sizeof before);
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    if (length >= 0 && (size_t)length < sizeof error->text)
        (void)snprintf(error->text + length, sizeof error->text - (size_t)length, ": %s", before);
    return code;
}
