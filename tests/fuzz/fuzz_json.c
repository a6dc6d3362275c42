/* fuzz_json - any bytes as JSON: refused, or a tree; what Jansson reads, the lenient mode reads as the same tree, and what
 * strict reads, lenient reads too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/formats/json_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void must(bool holds) {
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    json_t *lenient = NULL, *strict = NULL, *line = NULL;
    json_t *theirs = bytes == 0 || memchr(data, 0, bytes) != NULL /* ends a text of Jansson's */
                         ? NULL
                         : json_loadb((const char *)data, bytes, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    enum ob_err err = ob_json_read((const char *)data, bytes, OB_JSON_LENIENT, &lenient, NULL);
    must((err == OB_OK) == (lenient != NULL));
    if (theirs != NULL && err != OB_ETOOBIG)
        must(err == OB_OK && json_equal(theirs, lenient));
    if (ob_json_read((const char *)data, bytes, OB_JSON_STRICT, &strict, NULL) == OB_OK)
        must(lenient != NULL && json_equal(strict, lenient));
    must(ob_json_read_line((const char *)data, bytes, OB_JSON_LENIENT, &line, NULL) == err);
    json_decref(theirs);
    json_decref(lenient);
    json_decref(strict);
    json_decref(line);
    return 0;
}
