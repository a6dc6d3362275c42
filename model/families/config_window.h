/* config_window - sliding windows as several families state them in a config.json. */
#ifndef OB_MODEL_FAMILIES_CONFIG_WINDOW_H
#define OB_MODEL_FAMILIES_CONFIG_WINDOW_H

#include "model/families/config.h"
#include "model/families/config_reader.h"

/* Which layers have a sliding window when there is no layer_types: of those from `first` on, every `every`-th, or with
 * full_each all but every full_each-th of all. `window` is for files that do not say it. */
struct ob_window_rule {
    uint32_t first, every, full_each, window;
};
/* Fills sliding_window and is_sliding. `enabled` false: no layer, whatever the key sliding_window says. */
void ob_config_windows(struct ob_config_reader *reader, bool enabled, struct ob_window_rule rule,
                       struct ob_model_config *config);

#endif
