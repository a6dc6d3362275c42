/* fuzz_manifest_frames - any bytes as the messages by which a manifest travels, several one after the other
 * (each with a length of two bytes before it): what is accepted is encoded to the same bytes, and its pieces
 * fit the manifest that they are pieces of. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/manifest_frames.h"
#include "run/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const struct ob_run_id RUN = {{{7}}};

static void as_ask(const uint8_t *frame, size_t bytes) {
    uint8_t again[OB_MANIFEST_ASK_BYTES];
    uint32_t offset;
    if (!ob_manifest_ask_decode(&RUN, frame, bytes, &offset))
        return;
    assert(ob_manifest_ask_encode(&RUN, offset, again) == bytes && memcmp(again, frame, bytes) == 0);
}

/* `whole` has the total of its first piece. */
static void as_piece(const uint8_t *frame, size_t bytes, uint8_t **whole, uint32_t *total) {
    static uint8_t again[OB_MANIFEST_PIECE_MESSAGE];
    struct ob_manifest_piece piece;
    if (!ob_manifest_piece_decode(&RUN, frame, bytes, &piece))
        return;
    assert(piece.total <= OB_MANIFEST_BYTES_MAX && piece.count >= 1);
    if (piece.count <= OB_MANIFEST_PIECE_MAX)
        assert(ob_manifest_piece_encode(&RUN, &piece, again) == bytes && memcmp(again, frame, bytes) == 0);
    if (!*whole) {
        *whole = malloc(piece.total);
        *total = piece.total;
    }
    if (*whole && piece.total == *total)
        memcpy(*whole + piece.offset, piece.bytes, piece.count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    uint8_t *whole = NULL;
    uint32_t total = 0;
    while (bytes >= 2) {
        size_t count = (size_t)data[0] | (size_t)data[1] << 8;
        data += 2, bytes -= 2;
        if (count > bytes)
            count = bytes;
        as_ask(data, count);
        as_piece(data, count, &whole, &total);
        data += count, bytes -= count;
    }
    free(whole);
    return 0;
}
