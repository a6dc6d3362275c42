/* config_rope - rotary positions (RoPE) as several families state them in a config.json. */
#ifndef OB_MODEL_FAMILIES_CONFIG_ROPE_H
#define OB_MODEL_FAMILIES_CONFIG_ROPE_H

#include "model/families/family.h"

/* Fills rope, rope_sliding and rotary_width from rope_parameters, or from rope_scaling and the family's keys
 * rope_theta and rotary_part, whose values are these when they are missing. */
void ob_config_rope(struct ob_config_reader *reader, double theta, double part,
                    struct ob_model_config *config);
/* The frequencies of sliding-window layers where they differ: rope_parameters' own, or unscaled ones with this base. */
void ob_config_rope_sliding(struct ob_config_reader *reader, const char *key, double fallback,
                            struct ob_model_config *config);

#endif
