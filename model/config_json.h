/* config_json - reading the keys of a config.json with their bounds. The first complaint stays. */
#ifndef OB_MODEL_CONFIG_JSON_H
#define OB_MODEL_CONFIG_JSON_H

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

/* fallback < 0: the key must be there. */
uint32_t ob_config_size(struct ob_config_reader *reader, const char *key, uint32_t high, int64_t fallback);
double ob_config_real(struct ob_config_reader *reader, const char *key, double low, double high,
                      double fallback);
bool ob_config_bool(struct ob_config_reader *reader, const char *key, bool fallback);
/* A token id, the first of a list, or -1. */
int32_t ob_config_token(struct ob_config_reader *reader, const char *key);
/* NULL when it is missing or null. */
const char *ob_config_text(struct ob_config_reader *reader, const char *key);
/* An option that only has this one supported value; anything else is refused by name. */
void ob_config_refuse_true(struct ob_config_reader *reader, const char *key);
void ob_config_refuse_set(struct ob_config_reader *reader, const char *key);

#endif
