/* config.json: what is refused, by which name; older spellings of options that newer files keep elsewhere. */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "model/families/config_read.h"
#include "model/families/family_list.h"
#include "tests/support/json.h"

static enum ob_err read_config(const char *text, struct ob_model_config *config, struct ob_error *error) {
    json_t *root = test_json_parse(text);
    enum ob_err failed = ob_model_config_read(root, "config.json", config, error);
    json_decref(root);
    return failed;
}

#define SIZES                                                                                                \
    "\"vocab_size\":9,\"hidden_size\":12,\"num_hidden_layers\":3,\"num_attention_heads\":2,"                 \
    "\"intermediate_size\":7,\"max_position_embeddings\":64"
#define OF(architecture, more) "{\"architectures\":[\"" architecture "\"]," SIZES more "}"
#define LLAMA(more)            OF("LlamaForCausalLM", more)

static void read_refuses_by_name(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum ob_err code;
        const char *message;
    } CONFIGS[] = {
        {"{}", OB_EFORMAT, "has neither \"model_type\" nor \"architectures\""},
        {"{\"model_type\":\"mamba\",\"architectures\":null}", OB_EUNSUPPORTED,
         "model_type mamba is not supported"},
        {OF("MixtralForCausalLM", ",\"model_type\":\"mixtral\",\"num_local_experts\":8"), OB_EUNSUPPORTED,
         "architecture MixtralForCausalLM is not supported; mixtures of experts are not supported"},
        {OF("MambaForCausalLM", ",\"model_type\":\"mamba\",\"state_size\":16"), OB_EUNSUPPORTED,
         "MambaForCausalLM is not supported; state-space models are not supported"},
        {OF("Qwen3NextForCausalLM", ",\"model_type\":\"qwen3_next\",\"linear_num_value_heads\":4"),
         OB_EUNSUPPORTED, "linear attention is not supported"},
        {OF("FalconForCausalLM", ""), OB_EUNSUPPORTED,
         "architecture FalconForCausalLM is not supported; these are: GPT2LMHeadModel,"},
        {"{\"architectures\":[\"LlamaForCausalLM\"]}", OB_EFORMAT, "key \"vocab_size\" is missing"},
        {LLAMA(",\"head_dim\":0"), OB_EFORMAT, "key \"head_dim\" is out of range"},
        {LLAMA(",\"head_dim\":\"x\""), OB_EFORMAT, "key \"head_dim\" is out of range or no whole number"},
        {LLAMA(",\"head_dim\":3"), OB_EUNSUPPORTED, "needs an even number of elements, not 3"},
        {LLAMA(",\"num_key_value_heads\":3"), OB_EFORMAT, "2 heads are not a multiple of 3"},
        {LLAMA(",\"rms_norm_eps\":-1"), OB_EFORMAT, "key \"rms_norm_eps\" is not a number"},
        {LLAMA(",\"attention_bias\":1"), OB_EFORMAT, "key \"attention_bias\" is not true or false"},
        {LLAMA(",\"hidden_act\":\"mish\""), OB_EUNSUPPORTED, "hidden_act \"mish\" is not supported"},
        {LLAMA(",\"rope_scaling\":{\"type\":\"proportional\",\"factor\":2}"), OB_EUNSUPPORTED,
         "rope_type \"proportional\""},
        {LLAMA(",\"rope_scaling\":{\"type\":\"linear\"}"), OB_EFORMAT, "key \"factor\" is missing"},
        {LLAMA(",\"rope_scaling\":{\"type\":\"dynamic\"}"), OB_EFORMAT, "key \"factor\" is missing"},
        {LLAMA(",\"rope_scaling\":{\"rope_type\":\"yarn\"}"), OB_EFORMAT, "key \"factor\" is missing"},
        {LLAMA(",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":2}"), OB_EFORMAT,
         "key \"low_freq_factor\" is missing"},
        {LLAMA(",\"rope_parameters\":{\"rope_type\":\"longrope\"}"), OB_EFORMAT,
         "key \"short_factor\" is not a list of 3 factors"},
        {LLAMA(",\"rope_parameters\":{\"rope_type\":\"longrope\",\"short_factor\":[1,1,1],\"long_factor\":[1,"
               "0,1]}"),
         OB_EFORMAT, "key \"long_factor\" holds something else"},
        {LLAMA(",\"rope_scaling\":{\"factor\":2}"), OB_EFORMAT, "a factor without rope_type"},
        {LLAMA(",\"rope_scaling\":4"), OB_EFORMAT, "key \"rope_scaling\" is not an object"},
        {LLAMA(",\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":2,\"low_freq_factor\":1,"
               "\"high_freq_factor\":1}"),
         OB_EFORMAT, "high_freq_factor is not above"},
        {OF("Gemma3ForCausalLM", ",\"rope_scaling\":{\"rope_type\":\"linear\",\"factor\":2},"
                                 "\"rope_parameters\":{\"rope_type\":\"default\"}"),
         OB_EFORMAT, "rope_parameters without full_attention"},
        {LLAMA(",\"rope_parameters\":{\"partial_rotary_factor\":0.5}"), OB_EUNSUPPORTED,
         "partial_rotary_factor 0.5"},
        {OF("Qwen2ForCausalLM", ",\"use_sliding_window\":true,\"sliding_window\":4,\"layer_types\":[]"),
         OB_EFORMAT, "layer_types is not a list of 3"},
        {OF("MistralForCausalLM",
            ",\"sliding_window\":4,\"layer_types\":[\"chunked_attention\",\"x\",\"x\"]"),
         OB_EUNSUPPORTED, "layer_types: \"chunked_attention\""},
        {OF("Gemma3ForCausalLM", ",\"use_bidirectional_attention\":true"), OB_EUNSUPPORTED,
         "\"use_bidirectional_attention\": true"},
        {OF("OPTForCausalLM", ",\"ffn_dim\":4,\"layer_norm_elementwise_affine\":false"), OB_EUNSUPPORTED,
         "\"layer_norm_elementwise_affine\": false"},
        {"{\"architectures\":[\"GPT2LMHeadModel\"],\"vocab_size\":9,\"n_embd\":10,\"n_layer\":1,\"n_head\":"
         "3}",
         OB_EFORMAT, "n_embd 10 is not a multiple of n_head 3"},
        {"{\"architectures\":[\"GPT2LMHeadModel\"],\"vocab_size\":9,\"n_embd\":9,\"n_layer\":1,\"n_head\":3,"
         "\"scale_attn_by_inverse_layer_idx\":true}",
         OB_EUNSUPPORTED, "\"scale_attn_by_inverse_layer_idx\": true"},
        {"{\"architectures\":[\"GPT2LMHeadModel\"],\"vocab_size\":9,\"n_embd\":9,\"n_layer\":201,\"n_head\":"
         "3}",
         OB_EFORMAT, "key \"n_layer\" is out of range"},
    };
    for (size_t i = 0; i < sizeof CONFIGS / sizeof *CONFIGS; i++) {
        struct ob_model_config config;
        struct ob_error error = {0};
        enum ob_err failed = read_config(CONFIGS[i].text, &config, &error);
        if (failed != CONFIGS[i].code || !strstr(error.text, CONFIGS[i].message) ||
            !strstr(error.text, "config.json"))
            fail_msg("%s: got %d \"%s\", expected %d and \"%s\"", CONFIGS[i].text, failed, error.text,
                     CONFIGS[i].code, CONFIGS[i].message);
    }
}

static struct ob_model_config must_read(const char *text) {
    struct ob_model_config config = {0};
    struct ob_error error = {0};
    if (read_config(text, &config, &error))
        fail_msg("%s: %s", text, error.text);
    return config;
}

static void read_older_spellings(void **state) {
    (void)state;
    struct ob_model_config c = must_read(
        LLAMA(",\"rope_theta\":500,\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":32,"
              "\"low_freq_factor\":1,\"high_freq_factor\":4,\"original_max_position_embeddings\":8192}"));
    assert_true(c.rope.theta == 500 && c.rope.scaling == OB_ROPE_LLAMA3 && c.rope.factor == 32);
    c = must_read(LLAMA(",\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}"));
    assert_true(c.rope.theta == 10000 && c.rope.scaling == OB_ROPE_LINEAR && c.rope.factor == 2);
    /* both dictionaries: rope_scaling counts, with the base that stands outside */
    c = must_read(LLAMA(",\"rope_theta\":7,\"rope_scaling\":{\"type\":\"linear\",\"factor\":2},"
                        "\"rope_parameters\":{\"rope_type\":\"default\",\"rope_theta\":9}"));
    assert_true(c.rope.theta == 7 && c.rope.scaling == OB_ROPE_LINEAR);
    c = must_read(
        LLAMA(",\"rope_theta\":7,\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":2,\"rope_theta\":11}"));
    assert_true(c.rope.theta == 11 && c.rope.scaling == OB_ROPE_DEFAULT);
    c = must_read(OF("GPTNeoXForCausalLM", ",\"rotary_pct\":0.34,\"rotary_emb_base\":77"));
    assert_true(c.rope.theta == 77 && c.rotary_width == 2 && c.block == OB_BLOCK_PARALLEL);
    c = must_read(OF("Gemma3ForCausalLM", ",\"head_dim\":4,\"sliding_window\":5,\"sliding_window_pattern\":2,"
                                          "\"rope_theta\":99,\"rope_local_base_freq\":44"));
    assert_true(c.rope.theta == 99 && c.rope_sliding.theta == 44 && c.sliding_window == 5);
    assert_true(c.is_sliding[0] && !c.is_sliding[1] && c.is_sliding[2]);
}

static void read_windows_only_where_they_are_asked_for(void **state) {
    (void)state;
    struct ob_model_config c =
        must_read(OF("Qwen2ForCausalLM", ",\"use_sliding_window\":false,\"sliding_window\":4"));
    assert_true(c.sliding_window == 0 && !c.is_sliding[2]);
    c = must_read(
        OF("Qwen2ForCausalLM", ",\"use_sliding_window\":true,\"sliding_window\":4,\"max_window_layers\":2"));
    assert_true(c.sliding_window == 4 && !c.is_sliding[1] && c.is_sliding[2]);
    c = must_read(OF("MistralForCausalLM", ",\"sliding_window\":null"));
    assert_true(c.sliding_window == 0 && !c.is_sliding[0]);
    c = must_read(OF("MistralForCausalLM", ",\"sliding_window\":6"));
    assert_true(c.sliding_window == 6 && c.is_sliding[0] && c.is_sliding[2]);
}

/* As AutoModelForCausalLM: whatever `architectures` says, or does not, model_type decides. */
static void read_goes_by_model_type(void **state) {
    (void)state;
    static const char *const TEXTS[][2] = {
        {"{\"model_type\":\"llama\"," SIZES "}", "LlamaForCausalLM"},
        {"{\"model_type\":\"llama\",\"architectures\":null," SIZES "}", "LlamaForCausalLM"},
        {"{\"model_type\":\"llama\",\"architectures\":[]," SIZES "}", "LlamaForCausalLM"},
        {"{\"model_type\":\"llama\",\"architectures\":[\"LlamaModel\"]," SIZES "}", "LlamaForCausalLM"},
        {"{\"model_type\":\"llama\",\"architectures\":[\"LLaMAForCausalLM\"]," SIZES "}", "LlamaForCausalLM"},
        {"{\"model_type\":\"qwen2\",\"architectures\":[\"LlamaForCausalLM\"]," SIZES "}", "Qwen2ForCausalLM"},
        {"{\"model_type\":\"gemma3_text\"," SIZES "}", "Gemma3ForCausalLM"},
        {"{\"model_type\":\"my_llama\",\"architectures\":[\"LlamaForCausalLM\"]," SIZES "}",
         "LlamaForCausalLM"}};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        assert_string_equal(must_read(TEXTS[i][0]).family->architecture, TEXTS[i][1]);
}

/* Every family is found by its name, and named in the sentence that lists them. */
static void families_are_listed(void **state) {
    (void)state;
    char names[OB_ERROR_TEXT_MAX], gguf[OB_ERROR_TEXT_MAX], cut[12];
    (void)ob_family_names(names, sizeof names);
    (void)ob_family_gguf_names(gguf, sizeof gguf);
    for (const struct ob_family *const *family = OB_FAMILIES; *family; family++) {
        assert_ptr_equal(ob_family_find((*family)->architecture), *family);
        assert_non_null(strstr(names, (*family)->architecture));
        assert_ptr_equal(ob_family_find_type((*family)->model_type), *family);
        if (!(*family)->gguf)
            continue;
        const char *architecture = (*family)->gguf->architecture;
        const struct ob_family *found = ob_family_find_gguf(architecture, strlen(architecture));
        assert_non_null(found);
        assert_string_equal(found->gguf->architecture, architecture);
        assert_non_null(strstr(gguf, architecture));
    }
    assert_null(ob_family_find("Llama"));
    assert_null(ob_family_find_gguf("llama2", 6));
    assert_non_null(strstr(gguf, "gpt2, gptneox, llama"));
    assert_string_equal(ob_family_names(cut, sizeof cut), "GPT2LMHeadM");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(families_are_listed),
        cmocka_unit_test(read_goes_by_model_type),
        cmocka_unit_test(read_refuses_by_name),
        cmocka_unit_test(read_older_spellings),
        cmocka_unit_test(read_windows_only_where_they_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
