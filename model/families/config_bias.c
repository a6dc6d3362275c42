#include "model/families/config_bias.h"

void ob_config_attention_bias(struct ob_config_reader *reader, bool otherwise,
                              struct ob_model_config *config) {
    if (ob_config_bool(reader, "attention_bias", otherwise))
        config->parts |= OB_PART_QKV_BIAS | OB_PART_OUT_BIAS;
}

void ob_config_mlp_bias(struct ob_config_reader *reader, struct ob_model_config *config) {
    if (ob_config_bool(reader, "mlp_bias", false))
        config->parts |= OB_PART_MLP_BIAS;
}
