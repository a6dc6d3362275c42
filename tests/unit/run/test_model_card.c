#include "tests/unit/cmocka_all.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "run/model_card.h"

static struct ob_manifest manifest_of_a_run(uint64_t rates[2], struct ob_manifest_tensor *tensor) {
    rates[0] = (uint64_t)1 << 38;
    rates[1] = (uint64_t)1 << 37;
    *tensor = (struct ob_manifest_tensor){.layout = {.elements = 1234}};
    return (struct ob_manifest){.name = "a run",
                                .run = {{{1}}},
                                .base_hash = {{2}},
                                .epsilon = 0.001f,
                                .rule = {.rate_count = 2, .rates = rates, .s0 = 64},
                                .rates = rates,
                                .bounds = {.max_rounds = 77, .samples_per_round = 8},
                                .tensor_count = 1,
                                .tensors = tensor};
}

static void see(struct ob_card *card, uint8_t machine, uint64_t first, struct ob_hash *ret_hash) {
    static const uint8_t BYTES[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    struct ob_record record = {.machine = {{machine}}, .first = {first}, .live = 1, .n = 8, .bytes = BYTES};
    assert_int_equal(ob_card_see(card, &record, NULL), OB_OK);
    *ret_hash = ob_record_hash(&card->manifest->run, &record);
}

static void card_names_the_run_and_its_frontier(void **state) {
    (void)state;
    uint64_t rates[2];
    struct ob_manifest_tensor tensor;
    struct ob_manifest manifest = manifest_of_a_run(rates, &tensor);
    struct ob_card card = {.manifest = &manifest, .base = "/models/ba|se/", .weights_digest = {{3}}};
    struct ob_hash head;
    char *text = NULL, row[256], hex[OB_HEX_HASH_MAX], key[OB_HEX_HASH_MAX];
    see(&card, 9, 0, &head);
    see(&card, 9, 8, &head);
    struct ob_machine_id machine = {{9}};
    (void)snprintf(row, sizeof row, "| `%s` | 2 | 16 | `%s` |\n",
                   ob_hex_encode(machine.key, OB_KEY_BYTES, key),
                   ob_hex_encode(head.bytes, OB_HASH_BYTES, hex));
    assert_int_equal(ob_card_text(&card, &text, NULL), OB_OK);
    assert_non_null(strstr(text, "# a run\n"));
    assert_non_null(strstr(text, row));
    assert_non_null(strstr(text, "| base model | ba_se |\n")); /* what would end the cell is gone */
    assert_non_null(strstr(text, "| samples | 16 of 1 machines |\n"));
    assert_non_null(strstr(text, "1234 numbers in 1 tensors"));
    assert_non_null(strstr(text, "| peak learning rate | 0.0009766 |\n"));
    free(text);
}

static void card_counts_what_it_does_not_list(void **state) {
    (void)state;
    uint64_t rates[2];
    struct ob_manifest_tensor tensor;
    struct ob_manifest manifest = manifest_of_a_run(rates, &tensor);
    struct ob_card *card = calloc(1, sizeof *card);
    struct ob_hash head;
    char *text = NULL;
    assert_non_null(card);
    card->manifest = &manifest;
    card->base = "base";
    for (unsigned i = 0; i < OB_CARD_MACHINES_MAX + 3; i++) {
        see(card, (uint8_t)(1 + i), 0, &head);
        see(card, (uint8_t)(1 + i), 8, &head);
    }
    assert_int_equal(card->listed, OB_CARD_MACHINES_MAX);
    assert_int_equal(card->machine_count, OB_CARD_MACHINES_MAX + 3);
    assert_int_equal(ob_card_text(card, &text, NULL), OB_OK);
    assert_non_null(strstr(text, "and 3 more machines."));
    free(text);
    free(card);
}

static int set_up(void **state) {
    (void)state;
    return sodium_init() < 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(card_names_the_run_and_its_frontier),
        cmocka_unit_test(card_counts_what_it_does_not_list),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
