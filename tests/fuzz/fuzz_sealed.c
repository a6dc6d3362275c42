/* fuzz_sealed - any bytes as a key under a passphrase: what is accepted says the same when it is written again. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "run/sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct ob_sealed sealed, again;
    struct ob_error error = {0};
    char text[OB_SEALED_TEXT_MAX];
    if (ob_sealed_parse("input", (const char *)data, bytes, &sealed, &error) != OB_OK) {
        assert(error.text[0] != 0);
        return 0;
    }
    ob_sealed_write(&sealed, text);
    assert(ob_sealed_parse("input", text, strlen(text), &again, NULL) == OB_OK);
    assert(memcmp(&sealed, &again, sizeof sealed) == 0);
    return 0;
}
