#include "snapshot/message.h"

#include <assert.h>
#include <string.h>

#include "base/cursor.h"

bool ob_snapshot_message_is(const uint8_t *data, size_t bytes) {
    return bytes > 0 && data[0] >= OB_MESSAGE_OFFER_ASK && data[0] <= OB_MESSAGE_PIECE;
}

size_t ob_snapshot_message_encode(const struct ob_snapshot_message *m,
                                  uint8_t ret_data[static OB_SNAPSHOT_MESSAGE_MAX]) {
    struct ob_writer writer = ob_writer_init(ret_data, OB_SNAPSHOT_MESSAGE_MAX);
    ob_write_u8(&writer, (uint8_t)m->kind);
    ob_write_u8(&writer, OB_TRANSFER_VERSION);
    ob_write_bytes(&writer, m->run.hash.bytes, OB_HASH_BYTES);
    if (m->kind == OB_MESSAGE_PIECE_ASK || m->kind == OB_MESSAGE_PIECE ||
        (m->kind == OB_MESSAGE_OFFER && m->header))
        ob_write_bytes(&writer, m->name.bytes, OB_HASH_BYTES);
    if (m->kind == OB_MESSAGE_OFFER && m->header)
        ob_write_bytes(&writer, m->header, OB_SNAPSHOT_HEADER_BYTES);
    if (m->kind == OB_MESSAGE_PIECE_ASK || m->kind == OB_MESSAGE_PIECE)
        ob_write_u64(&writer, m->offset);
    if (m->kind == OB_MESSAGE_PIECE_ASK)
        ob_write_u32(&writer, (uint32_t)m->bytes);
    if (m->kind == OB_MESSAGE_PIECE)
        ob_write_bytes(&writer, m->data, m->bytes);
    assert(!writer.failed);
    return writer.used;
}

static bool decode_rest(struct ob_reader *reader, struct ob_snapshot_message *m) {
    if (m->kind == OB_MESSAGE_OFFER_ASK || (m->kind == OB_MESSAGE_OFFER && reader->left == 0))
        return reader->left == 0;
    ob_read_bytes(reader, m->name.bytes, OB_HASH_BYTES);
    if (m->kind == OB_MESSAGE_OFFER) {
        m->header = ob_read_view(reader, OB_SNAPSHOT_HEADER_BYTES);
        return !reader->failed && reader->left == 0;
    }
    m->offset = ob_read_u64(reader);
    m->bytes = m->kind == OB_MESSAGE_PIECE_ASK ? ob_read_u32(reader) : reader->left;
    if (m->kind == OB_MESSAGE_PIECE)
        m->data = ob_read_view(reader, m->bytes);
    return !reader->failed && reader->left == 0 && m->bytes >= 1 && m->bytes <= OB_SNAPSHOT_PIECE &&
           m->offset <= INT64_MAX;
}

bool ob_snapshot_message_decode(const uint8_t *data, size_t bytes, struct ob_snapshot_message *ret_message) {
    if (!ob_snapshot_message_is(data, bytes))
        return false;
    struct ob_reader reader = ob_reader_init(data, bytes);
    struct ob_snapshot_message m = {.kind = (enum ob_message_kind)ob_read_u8(&reader)};
    uint8_t version = ob_read_u8(&reader);
    ob_read_bytes(&reader, m.run.hash.bytes, OB_HASH_BYTES);
    if (reader.failed || version != OB_TRANSFER_VERSION || !decode_rest(&reader, &m))
        return false;
    *ret_message = m;
    return true;
}
