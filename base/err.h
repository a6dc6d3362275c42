/* err - the one error type of the project.
 *
 * Every fallible call returns `enum ob_err` (0 is success), is marked OB_MUST_USE, and takes a
 * `struct ob_error *` in which it says what went wrong, with the file or the peer and what to do.
 * On failure `ret_*` outputs are untouched unless the header says otherwise.
 * Errors are for what others do wrong; our own mistakes are assertions.
 *
 * Owns:    nothing; `struct ob_error` is caller's storage.
 * Threads: a `struct ob_error` belongs to one thread at a time. */
#ifndef OB_BASE_ERR_H
#define OB_BASE_ERR_H

#include <stddef.h>

#define OB_MUST_USE          __attribute__((warn_unused_result))
#define OB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

enum ob_err {
    OB_OK = 0,
    OB_ENOMEM,       /* out of memory */
    OB_EIO,          /* the operating system refused a read, write, open or socket call */
    OB_ENOTFOUND,    /* a file, key, tensor or row that was asked for is not there */
    OB_EFORMAT,      /* bytes that do not follow their format */
    OB_ETOOBIG,      /* beyond a stated maximum */
    OB_EUNSUPPORTED, /* well formed, but something this version does not do; the message names it */
    OB_EMISMATCH,    /* two things that must agree do not: hashes, shapes, runs, versions */
    OB_EREFUSED,     /* not allowed: an unknown key, a bad signature, wrong file permissions */
    OB_ENOTFINITE,   /* a loss or a weight that is not a finite number */
    OB_EBUSY,        /* somebody else holds it (a state directory, an address) */
    OB_ESTATE,       /* not now: the operation does not fit the present state */
    OB_EUSAGE,       /* a command line or a configuration that cannot be followed */
    OB_ETIMEOUT,     /* no answer in time */
    OB_EFULL,        /* no room on the disk: make some, then the same call succeeds */
    OB_ELOCKED,      /* another program keeps a file locked for now: the same call succeeds when it lets go */
    OB_EMOVED,       /* a file in use was removed or replaced: the same call succeeds when it is back */
    OB_ERR_COUNT
};

#define OB_ERROR_TEXT_MAX 512

struct ob_error {
    enum ob_err code;
    char text[OB_ERROR_TEXT_MAX]; /* one line, no newline at its end */
};

/* A short fixed text for a code ("bad format"). Never NULL. */
const char *ob_err_text(enum ob_err code);

/* Fills `error` (may be NULL) and returns `code`, so that a failing path is one statement:
 *     return ob_fail(error, OB_EFORMAT, "%s: header is cut short", path); */
enum ob_err ob_fail(struct ob_error *error, enum ob_err code, const char *format, ...) OB_PRINTF(3, 4);

/* Puts "context: " before the text that a failed call has left in `error` (may be NULL), and returns `code`,
 * what that call returned. */
enum ob_err ob_fail_within(struct ob_error *error, enum ob_err code, const char *format, ...) OB_PRINTF(3, 4);

#ifdef __clang_analyzer__ /* tells the analyzer that a failure is not OB_OK */
#define ob_fail(error, code, ...)        (ob_fail((error), (code), __VA_ARGS__), (code))
#define ob_fail_within(error, code, ...) (ob_fail_within((error), (code), __VA_ARGS__), (code))
#endif

#endif
