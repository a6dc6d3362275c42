#include "peer/message.h"

#include <assert.h>

#include "base/limits.h"

static_assert(OB_RECORD_BYTES_MAX + 64 <= OB_MESSAGE_MAX, "the longest record fits a message");

struct ob_writer ob_message_start(enum ob_message_kind kind, const struct ob_run_id *run, void *buffer,
                                  size_t capacity) {
    struct ob_writer writer = ob_writer_init(buffer, capacity);
    ob_write_u8(&writer, (uint8_t)kind);
    ob_write_u8(&writer, OB_PROTOCOL_VERSION);
    ob_write_bytes(&writer, run->hash.bytes, OB_HASH_BYTES);
    return writer;
}

bool ob_message_read(const struct ob_reader *reader) {
    return !reader->failed && reader->left == 0;
}

const uint8_t *ob_list_next(struct ob_list *list, size_t *ret_bytes) {
    if (list->count == 0)
        return NULL;
    list->count--;
    *ret_bytes = list->short_lengths ? ob_read_u16(&list->items) : ob_read_u32(&list->items);
    return ob_read_view(&list->items, *ret_bytes);
}

bool ob_list_decode(struct ob_reader reader, bool short_lengths, struct ob_run_id *ret_run,
                    struct ob_list *ret_list) {
    struct ob_run_id run;
    struct ob_list list = {.short_lengths = short_lengths}, walk;
    ob_read_bytes(&reader, run.hash.bytes, OB_HASH_BYTES);
    list.count = ob_read_u32(&reader);
    list.items = reader;
    walk = list;
    for (size_t bytes; ob_list_next(&walk, &bytes) != NULL;)
        continue;
    if (!ob_message_read(&walk.items))
        return false;
    *ret_run = run;
    *ret_list = list;
    return true;
}

void ob_message_records_start(struct ob_message_records *message, const struct ob_run_id *run, void *buffer,
                              size_t capacity) {
    if (capacity > OB_MESSAGE_MAX)
        capacity = OB_MESSAGE_MAX;
    message->writer = ob_message_start(OB_MESSAGE_RECORDS, run, buffer, capacity);
    ob_write_u32(&message->writer, 0);
    message->count = 0;
    assert(!message->writer.failed);
}

bool ob_message_records_add(struct ob_message_records *message, const void *record, size_t bytes) {
    assert(bytes >= OB_RECORD_OVERHEAD_BYTES && bytes <= OB_RECORD_BYTES_MAX);
    if (message->writer.capacity - message->writer.used < 4 + bytes)
        return false;
    ob_write_u32(&message->writer, (uint32_t)bytes);
    ob_write_bytes(&message->writer, record, bytes);
    message->count++;
    assert(!message->writer.failed);
    return true;
}

size_t ob_message_records_end(struct ob_message_records *message) {
    ob_store_u32(message->writer.start + OB_MESSAGE_HEADER_BYTES + OB_HASH_BYTES, message->count);
    return message->writer.used;
}
