/* config_rope - rotary positions (RoPE) as a config.json states them: what transformers 5 makes of it.
 *
 * One dictionary counts: rope_scaling if there is one that is not empty, else rope_parameters. In it are
 * rope_type (or type), rope_theta, partial_rotary_factor and what the type needs; rope_theta and the part may
 * stand outside instead. Keys that a type needs and that are missing are refused, as are types that are not
 * known. Dynamic NTK scaling changes nothing within max_position_embeddings, the most that a row may have.
 * Sources: Peng et al. 2023 (YaRN), Ding et al. 2024 (LongRoPE), Dubey et al. 2024 (Llama 3). */
#ifndef OB_MODEL_FAMILIES_CONFIG_ROPE_H
#define OB_MODEL_FAMILIES_CONFIG_ROPE_H

#include "model/families/family.h"

/* Fills rope, rope_sliding (the same) and rotary_width; the family's keys rope_theta and rotary_part have these
 * values when they are missing. */
void ob_config_rope(struct ob_config_reader *reader, double theta, double part,
                    struct ob_model_config *config);
/* Gemma 3's way: rope_parameters has a dictionary for each kind of layer, and rope_scaling is for those with full
 * attention. `sliding_key` is the base of sliding-window layers outside of the dictionaries. */
void ob_config_rope_by_layer(struct ob_config_reader *reader, double theta, const char *sliding_key,
                             double sliding_theta, struct ob_model_config *config);

/* Is YaRN what its factor and original context alone say, with the usual beta_fast, beta_slow, truncation and
 * attention factor? */
bool ob_rope_has_yarn_defaults(const struct ob_rope *rope, uint32_t rotary_width);

#endif
