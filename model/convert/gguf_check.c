#include "model/convert/gguf_check.h"

#include <math.h>
#include <string.h>

#include "model/families/config_rope.h"

static bool has_key(const struct ob_family_gguf *gguf, const char *suffix) {
    for (const struct ob_family_gguf_key *key = gguf->keys; key && key->suffix; key++)
        if (strcmp(key->suffix, suffix) == 0)
            return true;
    return false;
}

static bool is_near(double a, double b) {
    return fabs(a - b) <= 1e-6 * fabs(b);
}

/* What of the numbers of a model its architecture fixes, or has no entry for; NULL: nothing stands in the way. */
static const char *find_fixed(const struct ob_model_config *c, const struct ob_family_gguf *gguf) {
    const struct ob_rope *sliding = &c->rope_sliding;
    if (gguf->query_scalar &&
        !is_near((double)c->query_scale,
                 1 / sqrt(gguf->query_scalar(c->layers, c->width, c->heads, c->head_width))))
        return "query_pre_attn_scalar";
    if (gguf->sliding_theta > 0 &&
        (!is_near(sliding->theta, gguf->sliding_theta) || sliding->scaling != OB_ROPE_DEFAULT))
        return "the RoPE parameters of its sliding-window layers";
    if (c->attention_softcap > 0 && !has_key(gguf, "attn_logit_softcapping"))
        return "attn_logit_softcapping";
    if (c->logit_softcap > 0 && !has_key(gguf, "final_logit_softcapping"))
        return "final_logit_softcapping";
    return NULL;
}

enum ob_err ob_gguf_check_model(const struct ob_model *model, struct ob_error *error) {
    static const struct {
        unsigned part;
        const char *name;
    } PARTS[] = {{OB_PART_HEAD, "a head of its own"},
                 {OB_PART_QKV_BIAS, "biases of queries, keys and values"},
                 {OB_PART_OUT_BIAS, "biases of the attention's output"},
                 {OB_PART_MLP_BIAS, "biases of the feed-forward part"},
                 {OB_PART_QK_NORM, "norms of queries and keys"}};
    const struct ob_model_config *config = &model->config;
    const struct ob_family_gguf *gguf = config->family->gguf;
    if (!gguf)
        return ob_fail(error, OB_EUNSUPPORTED, "%s: GGUF has no architecture for %s; export as safetensors",
                       model->path, config->family->architecture);
    enum ob_rope_scaling scaling = config->rope.scaling;
    if ((scaling == OB_ROPE_LONG && !gguf->has_longrope) ||
        (scaling == OB_ROPE_YARN && !ob_rope_has_yarn_defaults(&config->rope, config->rotary_width)))
        return ob_fail(error, OB_EUNSUPPORTED, "%s: %s cannot be written as GGUF; export as safetensors",
                       model->path, scaling == OB_ROPE_LONG ? "LongRoPE" : "YaRN with options of its own");
    for (uint32_t layer = 0; layer < config->layers; layer++) {
        bool sliding = config->sliding_window > 0 && gguf->is_sliding && gguf->is_sliding(layer);
        if (config->is_sliding[layer] != sliding)
            return ob_fail(error, OB_EUNSUPPORTED,
                           "%s: its sliding windows cannot be written as GGUF; export as safetensors",
                           model->path);
        if (config->is_nope[layer] != (gguf->is_nope && gguf->is_nope(layer)))
            return ob_fail(
                error, OB_EUNSUPPORTED,
                "%s: its layers without positions cannot be written as GGUF; export as safetensors",
                model->path);
    }
    const char *fixed = find_fixed(config, gguf);
    if (fixed)
        return ob_fail(error, OB_EUNSUPPORTED, "%s: %s cannot be written as GGUF; export as safetensors",
                       model->path, fixed);
    if (config->activation != gguf->activation)
        return ob_fail(
            error, OB_EUNSUPPORTED,
            "%s: its activation differs from that of GGUF's architecture \"%s\"; export as safetensors",
            model->path, gguf->architecture);
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++) {
        bool has = config->parts & PARTS[i].part, needed = gguf->parts & PARTS[i].part;
        if (needed ? !has : has && !(gguf->parts_also & PARTS[i].part))
            return ob_fail(error, OB_EUNSUPPORTED,
                           "%s: has %s%s, which GGUF's architecture \"%s\" %s; export as safetensors",
                           model->path, has ? "" : "no ", PARTS[i].name, gguf->architecture,
                           has ? "cannot express" : "requires");
    }
    return OB_OK;
}
