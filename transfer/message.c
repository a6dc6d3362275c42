#include "transfer/message.h"

#include <assert.h>

#include "base/cursor.h"

bool ob_transfer_message_is(const uint8_t *data, size_t bytes) {
    return bytes > 0 && (data[0] == OB_MESSAGE_FILE_ASK || data[0] == OB_MESSAGE_FILE_BLOCK);
}

size_t ob_transfer_message_encode(const struct ob_transfer_message *m,
                                  uint8_t ret_data[static OB_TRANSFER_MESSAGE_MAX]) {
    struct ob_writer writer = ob_writer_init(ret_data, OB_TRANSFER_MESSAGE_MAX);
    bool answers = m->kind == OB_MESSAGE_FILE_BLOCK;
    ob_write_u8(&writer, (uint8_t)m->kind);
    ob_write_u8(&writer, OB_TRANSFER_VERSION);
    ob_write_bytes(&writer, m->run.hash.bytes, OB_HASH_BYTES);
    ob_write_bytes(&writer, m->name.bytes, OB_HASH_BYTES);
    if (answers)
        ob_write_u64(&writer, m->file_bytes);
    ob_write_u8(&writer, m->level);
    ob_write_u32(&writer, m->block);
    if (answers && m->bytes > 0)
        ob_write_bytes(&writer, m->data, m->bytes);
    assert(!writer.failed);
    return writer.used;
}

/* Of an answer; an ask has no bytes behind its fields. */
static bool is_block(const struct ob_transfer_message *m) {
    if (m->file_bytes == 0)
        return m->level == 0 && m->block == 0 && m->bytes == 0;
    return m->file_bytes <= OB_FILE_BYTES_MAX && m->level < OB_FILE_LEVELS && m->bytes >= 1 &&
           m->bytes <= OB_FILE_BLOCK;
}

bool ob_transfer_message_decode(const uint8_t *data, size_t bytes, struct ob_transfer_message *ret_message) {
    if (!ob_transfer_message_is(data, bytes))
        return false;
    struct ob_reader reader = ob_reader_init(data, bytes);
    struct ob_transfer_message m = {.kind = (enum ob_message_kind)ob_read_u8(&reader)};
    uint8_t version = ob_read_u8(&reader);
    ob_read_bytes(&reader, m.run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, m.name.bytes, OB_HASH_BYTES);
    if (m.kind == OB_MESSAGE_FILE_BLOCK)
        m.file_bytes = ob_read_u64(&reader);
    m.level = ob_read_u8(&reader);
    m.block = ob_read_u32(&reader);
    m.bytes = reader.left;
    m.data = m.bytes > 0 ? ob_read_view(&reader, m.bytes) : NULL;
    bool asks = m.kind == OB_MESSAGE_FILE_ASK;
    if (reader.failed || version != OB_TRANSFER_VERSION || (asks ? m.bytes != 0 : !is_block(&m)) ||
        (asks && m.level >= OB_FILE_LEVELS && (m.level != OB_TRANSFER_LAST || m.block != 0)))
        return false;
    *ret_message = m;
    return true;
}
