/* config_reader - the keys of a config.json, read with their bounds. The first complaint stays.
 *
 * Errors:  `failed` and the message, which begins with the file's name: OB_EFORMAT for a wrong type or a value
 *          out of range, OB_EUNSUPPORTED for an option that is known and not supported.
 * Threads: pure functions over one reader. */
#ifndef OB_MODEL_FAMILIES_CONFIG_READER_H
#define OB_MODEL_FAMILIES_CONFIG_READER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct ob_config_reader {
    const json_t *root;
    const char *path;
    struct ob_error *error;
    enum ob_err failed;
};

/* "PATH: …", unless something failed before. */
void ob_config_fail(struct ob_config_reader *reader, enum ob_err code, const char *format, ...)
    OB_PRINTF(3, 4);

bool ob_config_is_set(const struct ob_config_reader *reader, const char *key);  /* there, and not null */
bool ob_config_is_null(const struct ob_config_reader *reader, const char *key); /* there, and null */
/* fallback < 0: the key must be there. */
uint32_t ob_config_size(struct ob_config_reader *reader, const char *key, uint32_t high, int64_t fallback);
/* The same for a key that is there and may be 0. */
uint32_t ob_config_size_from_zero(struct ob_config_reader *reader, const char *key, uint32_t high);
double ob_config_real(struct ob_config_reader *reader, const char *key, double low, double high,
                      double fallback);
bool ob_config_bool(struct ob_config_reader *reader, const char *key, bool fallback);
/* A token id, the first of a list, or -1. */
int32_t ob_config_token(struct ob_config_reader *reader, const char *key);
/* NULL when it is missing or null. */
const char *ob_config_text(struct ob_config_reader *reader, const char *key);
/* An option that only has one supported value; anything else is rejected with an error that names it. */
void ob_config_refuse_true(struct ob_config_reader *reader, const char *key);
void ob_config_refuse_false(struct ob_config_reader *reader, const char *key);

#endif
