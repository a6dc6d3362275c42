/* fuzz_basis - any bytes as the file of a basis: what is accepted has the shapes and the numbers that it promises, and can be
 * given to a model or is refused. */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "model/families/basis.h"
#include "tests/support/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const NAMES[] = {"transformer.h.0.attn.c_attn.lora_A.weight", "a.lora_A.weight", "a", ""};

static void read_all(const struct ob_basis *basis, size_t tensor, uint64_t in) {
    uint64_t elements = in * ob_basis_facts(basis)->rank;
    for (uint64_t at = 0; at < elements; at += 64) {
        float values[64];
        size_t count = elements - at < 64 ? (size_t)(elements - at) : 64;
        ob_basis_read(basis, tensor, at, count, values);
        for (size_t i = 0; i < count; i++)
            assert(isfinite(values[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct test_folder folder;
    char path[TEST_PATH_MAX];
    struct ob_basis *basis = NULL;
    size_t whole = 0;
    test_folder_make(&folder);
    test_folder_write(&folder, "basis", data, bytes);
    if (ob_basis_open(test_folder_path(&folder, "basis", path), &basis, NULL) == OB_OK) {
        const struct ob_basis_facts *facts = ob_basis_facts(basis);
        assert(facts->rank >= 1 && facts->rank <= OB_ADAPTER_RANK_MAX && facts->rule < OB_BASIS_RULE_COUNT);
        assert(ob_basis_count(basis) >= 1 && ob_basis_bytes(basis, &whole) && whole == bytes);
        for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
            uint64_t in = 0;
            int64_t tensor = ob_basis_find(basis, NAMES[i], &in);
            if (tensor >= 0)
                read_all(basis, (size_t)tensor, in);
        }
    }
    ob_basis_free(basis);
    test_folder_remove(&folder);
    return 0;
}
