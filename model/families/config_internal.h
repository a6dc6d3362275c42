/* config_json - reading the keys of a config.json with their bounds. The first complaint stays. */
#ifndef OB_MODEL_FAMILIES_CONFIG_INTERNAL_H
#define OB_MODEL_FAMILIES_CONFIG_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/families/config.h"

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
/* An option that only has one supported value; anything else is refused by name. */
void ob_config_refuse_true(struct ob_config_reader *reader, const char *key);
void ob_config_refuse_false(struct ob_config_reader *reader, const char *key);

/* ---- what several families have (config_parts.c) ---- */

/* Where a family keeps the base of its angles and the part of a head that turns (NULL: all of it), in files
 * that have no rope_parameters, and what they are when they are missing. */
struct ob_rope_keys {
    const char *theta, *part;
    double theta_default, part_default;
};
/* Fills rope, rope_windowed and rotary_width from rope_parameters, or rope_scaling and the family's keys. */
void ob_config_rope(struct ob_config_reader *reader, const struct ob_rope_keys *keys,
                    struct ob_model_config *config);
/* The angles of windowed layers where they are others: rope_parameters' own, or plain ones with this base. */
void ob_config_rope_windowed(struct ob_config_reader *reader, const char *key, double fallback,
                             struct ob_model_config *config);

/* Which layers are windowed when there is no layer_types: of those from `first` on, every `every`-th, or with
 * full_each all but every full_each-th of all. `window` is for files that do not say it. */
struct ob_window_rule {
    uint32_t first, every, full_each, window;
};
/* Fills window and windowed. `enabled` false: no layer, whatever sliding_window says. */
void ob_config_windows(struct ob_config_reader *reader, bool enabled, struct ob_window_rule rule,
                       struct ob_model_config *config);

#endif
