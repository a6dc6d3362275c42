/* config_bias - which biases a config.json gives to a model, by the keys that most families share. */
#ifndef OB_MODEL_FAMILIES_CONFIG_BIAS_H
#define OB_MODEL_FAMILIES_CONFIG_BIAS_H

#include "model/families/config.h"
#include "model/families/config_reader.h"

/* "attention_bias": of queries, keys, values and the attention's output. */
void ob_config_attention_bias(struct ob_config_reader *reader, bool otherwise,
                              struct ob_model_config *config);
/* "mlp_bias", false when it is missing. */
void ob_config_mlp_bias(struct ob_config_reader *reader, struct ob_model_config *config);

#endif
