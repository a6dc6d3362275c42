#include "daemon/manifest_frames.h"

#include <assert.h>
#include <string.h>

#include "base/cursor.h"
#include "run/manifest.h"

static struct ob_writer start(const struct ob_run_id *run, uint8_t kind, uint8_t *data, size_t capacity) {
    struct ob_writer writer = ob_writer_init(data, capacity);
    ob_write_u8(&writer, kind);
    ob_write_u8(&writer, OB_TRANSFER_VERSION);
    ob_write_bytes(&writer, run->hash.bytes, OB_HASH_BYTES);
    return writer;
}

static bool is_of(const struct ob_run_id *run, uint8_t kind, struct ob_reader *reader) {
    uint8_t found = ob_read_u8(reader), version = ob_read_u8(reader);
    const uint8_t *of = ob_read_view(reader, OB_HASH_BYTES);
    return !reader->failed && found == kind && version == OB_TRANSFER_VERSION &&
           memcmp(of, run->hash.bytes, OB_HASH_BYTES) == 0;
}

bool ob_manifest_frame_is(const uint8_t *data, size_t bytes) {
    return bytes > 0 && (data[0] == OB_MESSAGE_MANIFEST_ASK || data[0] == OB_MESSAGE_MANIFEST);
}

size_t ob_manifest_ask_encode(const struct ob_run_id *run, uint32_t offset,
                              uint8_t ret_data[static OB_MANIFEST_ASK_BYTES]) {
    struct ob_writer writer = start(run, OB_MESSAGE_MANIFEST_ASK, ret_data, OB_MANIFEST_ASK_BYTES);
    ob_write_u32(&writer, offset);
    assert(!writer.failed && writer.used == OB_MANIFEST_ASK_BYTES);
    return writer.used;
}

bool ob_manifest_ask_decode(const struct ob_run_id *run, const uint8_t *data, size_t bytes,
                            uint32_t *ret_offset) {
    struct ob_reader reader = ob_reader_init(data, bytes);
    if (!is_of(run, OB_MESSAGE_MANIFEST_ASK, &reader))
        return false;
    uint32_t offset = ob_read_u32(&reader);
    if (reader.failed || reader.left > 0)
        return false;
    *ret_offset = offset;
    return true;
}

size_t ob_manifest_piece_encode(const struct ob_run_id *run, const struct ob_manifest_piece *piece,
                                uint8_t ret_data[static OB_MANIFEST_PIECE_MESSAGE]) {
    assert(piece->count >= 1 && piece->count <= OB_MANIFEST_PIECE_MAX);
    struct ob_writer writer = start(run, OB_MESSAGE_MANIFEST, ret_data, OB_MANIFEST_PIECE_MESSAGE);
    ob_write_u32(&writer, piece->total);
    ob_write_u32(&writer, piece->offset);
    ob_write_bytes(&writer, piece->bytes, piece->count);
    assert(!writer.failed);
    return writer.used;
}

bool ob_manifest_piece_decode(const struct ob_run_id *run, const uint8_t *data, size_t bytes,
                              struct ob_manifest_piece *ret_piece) {
    struct ob_reader reader = ob_reader_init(data, bytes);
    if (!is_of(run, OB_MESSAGE_MANIFEST, &reader))
        return false;
    uint32_t total = ob_read_u32(&reader), offset = ob_read_u32(&reader);
    if (reader.failed || reader.left == 0 || total > OB_MANIFEST_BYTES_MAX || offset > total ||
        reader.left > total - offset)
        return false;
    *ret_piece = (struct ob_manifest_piece){total, offset, reader.at, reader.left};
    return true;
}
