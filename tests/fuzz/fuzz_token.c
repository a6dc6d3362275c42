/* fuzz_token - any bytes as a token's text, and as what its text stands for (with the right checksum): what is accepted says
 * the same when it is written again. */
#include <assert.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "record/hash.h"
#include "run/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void try_text(const char *text) {
    static struct ob_token token, again;
    char written[OB_TOKEN_TEXT_MAX];
    struct ob_control invitation;
    struct ob_error error = {0};
    if (ob_token_decode(text, &token, &invitation, &error) != OB_OK) {
        assert(error.text[0] != 0);
        return;
    }
    ob_token_encode(&token, written);
    assert(ob_token_decode(written, &again, &invitation, NULL) == OB_OK);
    assert(again.place_count == token.place_count && strcmp(again.run_name, token.run_name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static uint8_t whole[OB_TOKEN_TEXT_MAX];
    static char text[2 * OB_TOKEN_TEXT_MAX];
    if (bytes > OB_TOKEN_TEXT_MAX / 2)
        return 0;
    memcpy(text, data, bytes);
    text[bytes] = 0;
    try_text(text);
    memcpy(whole, data, bytes);
    struct ob_hash checksum = ob_hash_of(data, bytes);
    memcpy(whole + bytes, checksum.bytes, 8);
    memcpy(text, OB_TOKEN_PREFIX, 4);
    sodium_bin2base64(text + 4, sizeof text - 4, whole, bytes + 8, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    try_text(text);
    return 0;
}
