#include "daemon/manifest_serve.h"

#include "daemon/manifest_frames.h"

void ob_manifest_serve(const struct ob_manifest *manifest, struct ob_transport *transport,
                       const struct ob_machine_id *from, const uint8_t *data, size_t bytes) {
    uint8_t message[OB_MANIFEST_PIECE_MESSAGE];
    uint32_t offset;
    if (!ob_manifest_ask_decode(&manifest->run, data, bytes, &offset) || offset >= manifest->byte_count)
        return;
    size_t count = manifest->byte_count - offset;
    struct ob_manifest_piece piece = {.total = (uint32_t)manifest->byte_count,
                                      .offset = offset,
                                      .bytes = (const uint8_t *)manifest->bytes + offset,
                                      .count = count < OB_MANIFEST_PIECE_MAX ? count : OB_MANIFEST_PIECE_MAX};
    (void)ob_transport_send(transport, from, message,
                            ob_manifest_piece_encode(&manifest->run, &piece, message));
}
