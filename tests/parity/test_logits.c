/* Logits and losses against Hugging Face transformers, from the files that make_logits.py and make_gguf.py
 * wrote. */
#include "tests/parity/fixture.h"

static void random_checkpoints(void **state) {
    (void)state;
    struct names names = checkpoints();
    for (size_t i = 0; i < names.count; i++) {
        char folder[512], expected[600];
        folder_of(names.list[i], folder, expected);
        compare(folder, expected);
    }
}

/* Quantised tensors of several types in one file, decoded as the pass needs them. */
static void quantised_file(void **state) {
    (void)state;
    compare(OB_SOURCE_ROOT "/tests/parity/gguf/llama-mixed.gguf",
            OB_SOURCE_ROOT "/tests/parity/gguf/llama-mixed.json");
}

/* The same models as GGUF files, with the configuration that their metadata give. */
static void gguf_checkpoints(void **state) {
    (void)state;
    struct names names = gguf_files();
    for (size_t i = 0; i < names.count; i++) {
        char folder[512], expected[600], file[512];
        folder_of(names.list[i], folder, expected);
        gguf_of(names.list[i], file);
        compare(file, expected);
    }
}

static void shipped_model(void **state) {
    (void)state;
    compare(OB_SOURCE_ROOT "/examples/kjv-1m", OB_SOURCE_ROOT "/tests/parity/kjv-1m.json");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_checkpoints),
        cmocka_unit_test(gguf_checkpoints),
        cmocka_unit_test(quantised_file),
        cmocka_unit_test(shipped_model),
    };
    return cmocka_run_group_tests_name("logits", tests, NULL, NULL);
}
