#include "peer/codec.h"

#include <assert.h>

#include "record/control.h"

static_assert(sizeof OB_HEARTBEAT_LABEL - 1 == 16, "the label's length is part of the format");
static_assert(sizeof OB_HELD_LABEL - 1 == 16, "the label's length is part of the format");
static_assert(OB_HEARTBEAT_BYTES <= OB_SMALL_MESSAGE_BYTES_MAX, "small messages");
static_assert(OB_FRONTIER_PAGE_MAX >= 512, "a frontier page is worth its message");

static void write_heartbeat(struct ob_writer *writer, const struct ob_heartbeat *heartbeat) {
    ob_write_bytes(writer, heartbeat->run.hash.bytes, OB_HASH_BYTES);
    ob_write_bytes(writer, heartbeat->machine.key, OB_KEY_BYTES);
    ob_write_u64(writer, heartbeat->instance);
    ob_write_u64(writer, heartbeat->sequence);
    ob_write_u64(writer, heartbeat->twin);
    ob_write_u8(writer, heartbeat->trains ? 1 : 0);
    ob_write_u64(writer, heartbeat->next.index);
    ob_write_u32(writer, heartbeat->round.index);
    ob_write_bytes(writer, heartbeat->log.bytes, OB_HASH_BYTES);
    ob_write_bytes(writer, heartbeat->control.bytes, OB_HASH_BYTES);
    ob_write_bytes(writer, heartbeat->weights.bytes, OB_HASH_BYTES);
    ob_write_bytes(writer, heartbeat->weights_log.bytes, OB_HASH_BYTES);
}

size_t ob_heartbeat_body(const struct ob_heartbeat *heartbeat, uint8_t *ret_body) {
    struct ob_writer writer = ob_writer_init(ret_body, OB_HEARTBEAT_BODY_BYTES);
    ob_write_bytes(&writer, OB_HEARTBEAT_LABEL, sizeof OB_HEARTBEAT_LABEL - 1);
    write_heartbeat(&writer, heartbeat);
    assert(!writer.failed && writer.used == OB_HEARTBEAT_BODY_BYTES);
    return writer.used;
}

size_t ob_heartbeat_encode(const struct ob_heartbeat *heartbeat, uint8_t *ret_data) {
    struct ob_writer writer = ob_writer_init(ret_data, OB_HEARTBEAT_BYTES);
    ob_write_u8(&writer, OB_MESSAGE_HEARTBEAT);
    ob_write_u8(&writer, OB_PROTOCOL_VERSION);
    write_heartbeat(&writer, heartbeat);
    ob_write_bytes(&writer, heartbeat->signature, 64);
    assert(!writer.failed && writer.used == OB_HEARTBEAT_BYTES);
    return writer.used;
}

bool ob_heartbeat_decode(struct ob_reader reader, struct ob_heartbeat *ret_heartbeat) {
    struct ob_heartbeat heartbeat = {0};
    ob_read_bytes(&reader, heartbeat.run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, heartbeat.machine.key, OB_KEY_BYTES);
    heartbeat.instance = ob_read_u64(&reader);
    heartbeat.sequence = ob_read_u64(&reader);
    heartbeat.twin = ob_read_u64(&reader);
    uint8_t flags = ob_read_u8(&reader);
    heartbeat.next.index = ob_read_u64(&reader);
    heartbeat.round.index = ob_read_u32(&reader);
    ob_read_bytes(&reader, heartbeat.log.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, heartbeat.control.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, heartbeat.weights.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, heartbeat.weights_log.bytes, OB_HASH_BYTES);
    heartbeat.signature = ob_read_view(&reader, 64);
    if (!ob_message_read(&reader) || flags > 1 || heartbeat.next.index > OB_SAMPLE_END)
        return false;
    heartbeat.trains = flags == 1;
    *ret_heartbeat = heartbeat;
    return true;
}

struct ob_writer ob_frontier_start(const struct ob_run_id *run, uint32_t total, uint32_t first,
                                   uint32_t count, void *buffer, size_t capacity) {
    assert(count <= OB_FRONTIER_PAGE_MAX);
    struct ob_writer writer = ob_message_start(OB_MESSAGE_FRONTIER, run, buffer, capacity);
    ob_write_u32(&writer, total);
    ob_write_u32(&writer, first);
    ob_write_u32(&writer, count);
    return writer;
}

void ob_frontier_add(struct ob_writer *writer, const struct ob_frontier_entry *entry) {
    ob_write_bytes(writer, entry->machine.key, OB_KEY_BYTES);
    ob_write_u64(writer, entry->next.index);
    ob_write_u32(writer, entry->head_round.index);
    ob_write_bytes(writer, entry->head.bytes, OB_HASH_BYTES);
}

bool ob_frontier_decode(struct ob_reader reader, struct ob_run_id *ret_run,
                        struct ob_frontier_page *ret_page) {
    struct ob_run_id run;
    struct ob_frontier_page page;
    ob_read_bytes(&reader, run.hash.bytes, OB_HASH_BYTES);
    page.total = ob_read_u32(&reader);
    page.first = ob_read_u32(&reader);
    page.count = ob_read_u32(&reader);
    if (reader.failed || page.total > OB_MACHINES_MAX || page.first > page.total ||
        page.count > page.total - page.first || reader.left != (size_t)page.count * OB_FRONTIER_ENTRY_BYTES)
        return false;
    page.entries = reader;
    *ret_run = run;
    *ret_page = page;
    return true;
}

bool ob_frontier_next(struct ob_reader *entries, struct ob_frontier_entry *ret_entry) {
    struct ob_frontier_entry entry;
    ob_read_bytes(entries, entry.machine.key, OB_KEY_BYTES);
    entry.next.index = ob_read_u64(entries);
    entry.head_round.index = ob_read_u32(entries);
    ob_read_bytes(entries, entry.head.bytes, OB_HASH_BYTES);
    if (entries->failed || entry.next.index == 0 || entry.next.index > OB_SAMPLE_END)
        return false;
    *ret_entry = entry;
    return true;
}

size_t ob_frontier_ask_encode(const struct ob_run_id *run, uint32_t first, uint8_t *ret_data) {
    struct ob_writer writer =
        ob_message_start(OB_MESSAGE_FRONTIER_ASK, run, ret_data, OB_SMALL_MESSAGE_BYTES_MAX);
    ob_write_u32(&writer, first);
    return writer.used;
}

bool ob_frontier_ask_decode(struct ob_reader reader, struct ob_run_id *ret_run, uint32_t *ret_first) {
    struct ob_run_id run;
    ob_read_bytes(&reader, run.hash.bytes, OB_HASH_BYTES);
    uint32_t first = ob_read_u32(&reader);
    if (!ob_message_read(&reader))
        return false;
    *ret_run = run;
    *ret_first = first;
    return true;
}

size_t ob_records_ask_encode(const struct ob_records_ask *ask, uint8_t *ret_data) {
    struct ob_writer writer =
        ob_message_start(OB_MESSAGE_RECORDS_ASK, &ask->run, ret_data, OB_SMALL_MESSAGE_BYTES_MAX);
    ob_write_bytes(&writer, ask->machine.key, OB_KEY_BYTES);
    ob_write_u64(&writer, ask->first.index);
    ob_write_u16(&writer, ask->count);
    return writer.used;
}

bool ob_records_ask_decode(struct ob_reader reader, struct ob_records_ask *ret_ask) {
    struct ob_records_ask ask;
    ob_read_bytes(&reader, ask.run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, ask.machine.key, OB_KEY_BYTES);
    ask.first.index = ob_read_u64(&reader);
    ask.count = ob_read_u16(&reader);
    if (!ob_message_read(&reader) || ask.first.index > OB_SAMPLE_END)
        return false;
    *ret_ask = ask;
    return true;
}

size_t ob_holds_ask_encode(const struct ob_run_id *run, const struct ob_machine_id *machine,
                           uint8_t *ret_data) {
    struct ob_writer writer =
        ob_message_start(OB_MESSAGE_HOLDS_ASK, run, ret_data, OB_SMALL_MESSAGE_BYTES_MAX);
    ob_write_bytes(&writer, machine->key, OB_KEY_BYTES);
    return writer.used;
}

bool ob_holds_ask_decode(struct ob_reader reader, struct ob_run_id *ret_run,
                         struct ob_machine_id *ret_machine) {
    struct ob_run_id run;
    struct ob_machine_id machine;
    ob_read_bytes(&reader, run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, machine.key, OB_KEY_BYTES);
    if (!ob_message_read(&reader))
        return false;
    *ret_run = run;
    *ret_machine = machine;
    return true;
}

size_t ob_holds_encode(const struct ob_holds *holds, uint8_t *ret_data) {
    struct ob_writer writer =
        ob_message_start(OB_MESSAGE_HOLDS, &holds->run, ret_data, OB_SMALL_MESSAGE_BYTES_MAX);
    ob_write_bytes(&writer, holds->machine.key, OB_KEY_BYTES);
    ob_write_u64(&writer, holds->next.index);
    ob_write_bytes(&writer, holds->head.bytes, OB_HASH_BYTES);
    return writer.used;
}

bool ob_holds_decode(struct ob_reader reader, struct ob_holds *ret_holds) {
    struct ob_holds holds;
    ob_read_bytes(&reader, holds.run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, holds.machine.key, OB_KEY_BYTES);
    holds.next.index = ob_read_u64(&reader);
    ob_read_bytes(&reader, holds.head.bytes, OB_HASH_BYTES);
    if (!ob_message_read(&reader) || holds.next.index > OB_SAMPLE_END)
        return false;
    *ret_holds = holds;
    return true;
}

size_t ob_held_ask_encode(const struct ob_held_ask *ask, uint8_t *ret_data) {
    struct ob_writer writer =
        ob_message_start(OB_MESSAGE_HELD_ASK, &ask->run, ret_data, OB_SMALL_MESSAGE_BYTES_MAX);
    ob_write_bytes(&writer, ask->asker.key, OB_KEY_BYTES);
    ob_write_bytes(&writer, ask->machine.key, OB_KEY_BYTES);
    ob_write_u8(&writer, ask->attempt);
    ob_write_u8(&writer, ask->hops);
    return writer.used;
}

bool ob_held_ask_decode(struct ob_reader reader, struct ob_held_ask *ret_ask) {
    struct ob_held_ask ask;
    ob_read_bytes(&reader, ask.run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, ask.asker.key, OB_KEY_BYTES);
    ob_read_bytes(&reader, ask.machine.key, OB_KEY_BYTES);
    ask.attempt = ob_read_u8(&reader);
    ask.hops = ob_read_u8(&reader);
    if (!ob_message_read(&reader))
        return false;
    *ret_ask = ask;
    return true;
}

size_t ob_held_body(const struct ob_held *held, uint8_t *ret_body) {
    struct ob_writer writer = ob_writer_init(ret_body, OB_HELD_BODY_BYTES);
    ob_write_bytes(&writer, OB_HELD_LABEL, sizeof OB_HELD_LABEL - 1);
    ob_write_bytes(&writer, held->run.hash.bytes, OB_HASH_BYTES);
    ob_write_bytes(&writer, held->asker.key, OB_KEY_BYTES);
    ob_write_bytes(&writer, held->machine.key, OB_KEY_BYTES);
    ob_write_u64(&writer, held->next.index);
    assert(!writer.failed && writer.used == OB_HELD_BODY_BYTES);
    return writer.used;
}

size_t ob_held_encode(const struct ob_held *held, uint8_t *ret_data) {
    struct ob_writer writer =
        ob_message_start(OB_MESSAGE_HELD, &held->run, ret_data, OB_SMALL_MESSAGE_BYTES_MAX);
    ob_write_bytes(&writer, held->asker.key, OB_KEY_BYTES);
    ob_write_bytes(&writer, held->machine.key, OB_KEY_BYTES);
    ob_write_u8(&writer, held->attempt);
    ob_write_u8(&writer, held->hops);
    ob_write_u64(&writer, held->next.index);
    ob_write_bytes(&writer, held->signature, 64);
    return writer.used;
}

bool ob_held_decode(struct ob_reader reader, struct ob_held *ret_held) {
    struct ob_held held;
    ob_read_bytes(&reader, held.run.hash.bytes, OB_HASH_BYTES);
    ob_read_bytes(&reader, held.asker.key, OB_KEY_BYTES);
    ob_read_bytes(&reader, held.machine.key, OB_KEY_BYTES);
    held.attempt = ob_read_u8(&reader);
    held.hops = ob_read_u8(&reader);
    held.next.index = ob_read_u64(&reader);
    held.signature = ob_read_view(&reader, 64);
    if (!ob_message_read(&reader) || held.next.index > OB_SAMPLE_END)
        return false;
    *ret_held = held;
    return true;
}

size_t ob_control_ask_encode(const struct ob_run_id *run, const struct ob_hash *leaves, uint8_t *ret_data) {
    struct ob_writer writer = ob_message_start(OB_MESSAGE_CONTROL_ASK, run, ret_data, OB_CONTROL_ASK_BYTES);
    for (size_t i = 0; i < OB_LEAVES; i++)
        ob_write_bytes(&writer, leaves[i].bytes, OB_LEAF_BYTES);
    assert(!writer.failed && writer.used == OB_CONTROL_ASK_BYTES);
    return writer.used;
}

bool ob_control_ask_decode(struct ob_reader reader, struct ob_run_id *ret_run, const uint8_t **ret_leaves) {
    struct ob_run_id run;
    ob_read_bytes(&reader, run.hash.bytes, OB_HASH_BYTES);
    const uint8_t *leaves = ob_read_view(&reader, (size_t)OB_LEAVES * OB_LEAF_BYTES);
    if (!ob_message_read(&reader))
        return false;
    *ret_run = run;
    *ret_leaves = leaves;
    return true;
}

struct ob_writer ob_control_list_start(const struct ob_run_id *run, void *buffer, size_t capacity) {
    struct ob_writer writer = ob_message_start(OB_MESSAGE_CONTROL, run, buffer, capacity);
    ob_write_u32(&writer, 0);
    return writer;
}

bool ob_control_list_add(struct ob_writer *writer, const void *entry, size_t bytes) {
    assert(bytes <= OB_CONTROL_BYTES_MAX);
    if (writer->failed || writer->capacity - writer->used < 2 + bytes)
        return false;
    ob_write_u16(writer, (uint16_t)bytes);
    ob_write_bytes(writer, entry, bytes);
    return true;
}

void ob_control_list_end(struct ob_writer *writer, uint32_t count) {
    ob_store_u32(writer->start + OB_MESSAGE_HEADER_BYTES + OB_HASH_BYTES, count);
}
