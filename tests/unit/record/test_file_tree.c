#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "record/file_tree.h"

/* The name of a file of so many bytes of which byte i is i mod 251, but for the one at `alter`. */
static struct ob_hash name_of(size_t bytes, size_t alter) {
    struct ob_file_tree tree;
    uint8_t *data = malloc(bytes);
    assert_non_null(data);
    for (size_t i = 0; i < bytes; i++)
        data[i] = (uint8_t)(i % 251 + (i == alter));
    assert_int_equal(ob_file_tree_new(bytes, &tree, NULL), OB_OK);
    for (size_t block = 0; block < tree.blocks[0]; block++)
        tree.hashes[0][block] =
            ob_file_block_hash(0, data + block * OB_FILE_BLOCK, ob_file_block_bytes(&tree, 0, block));
    struct ob_hash name = ob_file_tree_finish(&tree);
    ob_file_tree_free(&tree);
    free(data);
    return name;
}

static void assert_name(struct ob_hash name, const char *text) {
    char found[65];
    ob_hex_encode(name.bytes, OB_HASH_BYTES, found);
    assert_string_equal(found, text);
}

/* Made with Python's hashlib (docs/wire.md, "Direct transfers"): one level, two, three. */
static void name_is_golden(void **state) {
    (void)state;
    struct ob_hash block = ob_file_block_hash(0, "onebyte", 7);
    assert_name(ob_file_name(7, &block), "060f9018fe44638808ea7f1e2ed360d96b303e1549dcee9121c7940af3d06c7f");
    assert_name(name_of(100000, SIZE_MAX),
                "8f70d23ac5452fb43a12dcd6b8faa74b911551cec502c9a115db0cc9feab0c2f");
    assert_name(name_of(OB_FILE_BLOCK * OB_FILE_CHILDREN + 1, SIZE_MAX),
                "81c3270a4b0634b8eef9cb251560d40368d41aa1a7fe3877e1fdcb978fcc4993");
}

static void name_depends_on_every_byte(void **state) {
    (void)state;
    static const size_t BYTES = 3 * OB_FILE_BLOCK + 5,
                        PLACES[] = {0, OB_FILE_BLOCK - 1, OB_FILE_BLOCK, 3 * OB_FILE_BLOCK + 4};
    struct ob_hash name = name_of(BYTES, SIZE_MAX);
    for (size_t i = 0; i < sizeof PLACES / sizeof *PLACES; i++) {
        struct ob_hash other = name_of(BYTES, PLACES[i]);
        assert_false(ob_hash_equal(&name, &other));
    }
    struct ob_hash shorter = name_of(BYTES - 1, SIZE_MAX);
    assert_false(ob_hash_equal(&name, &shorter));
}

static void levels_at_their_bounds(void **state) {
    (void)state;
    static const struct {
        uint64_t bytes;
        unsigned levels;
    } CASES[] = {{0, 0},          {1, 1},
                 {32768, 1},      {32769, 2},
                 {1ull << 25, 2}, {(1ull << 25) + 1, 3},
                 {1ull << 35, 3}, {(1ull << 35) + 1, 4},
                 {1ull << 44, 4}, {(1ull << 44) + 1, 0},
                 {UINT64_MAX, 0}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_int_equal(ob_file_tree_levels(CASES[i].bytes), CASES[i].levels);
    struct ob_file_tree tree = {0};
    assert_int_equal(ob_file_tree_new(0, &tree, NULL), OB_ETOOBIG);
    assert_int_equal(ob_file_tree_new(UINT64_MAX, &tree, NULL), OB_ETOOBIG);
    ob_file_tree_free(&tree);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(name_is_golden),
                                       cmocka_unit_test(name_depends_on_every_byte),
                                       cmocka_unit_test(levels_at_their_bounds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
