/* fuzz_start - any bytes as STATE_DIR/start: what is accepted names two absolute paths, and is written in one way. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/last_start.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_path(const char *path) {
    size_t length = strnlen(path, OB_PATH_MAX);
    assert(length >= 1 && length < OB_PATH_MAX && path[0] == '/' && !strchr(path, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static char again[2 * OB_PATH_MAX + 64];
    struct ob_last_start start;
    struct ob_error error = {0};
    char *text = malloc(bytes + 1); /* as it is read: exactly so long */
    assert(text);
    memcpy(text, data, bytes);
    text[bytes] = 0;
    if (ob_last_start_parse("input", text, bytes, &start, &error) == OB_OK) {
        check_path(start.manifest);
        check_path(start.model);
        int length = snprintf(again, sizeof again, "onebyte-start-1\nmanifest %s\nmodel %s\n", start.manifest,
                              start.model);
        assert((size_t)length == bytes && memcmp(again, text, bytes) == 0);
    } else {
        assert(error.text[0] != 0);
    }
    free(text);
    return 0;
}
