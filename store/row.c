#include "store/row.h"

#include <assert.h>
#include <string.h>

#include "base/cursor.h"
#include "record/hash.h"

static void write_varint(struct ob_writer *writer, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        ob_write_u8(writer, (uint8_t)(value | 0x80));
    ob_write_u8(writer, (uint8_t)value);
}

/* Refuses what is longer than needed, so that a record has one row. */
static uint64_t read_varint(struct ob_reader *reader) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        uint8_t byte = ob_read_u8(reader);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            reader->failed |= byte == 0 && shift > 0;
            return value;
        }
    }
    reader->failed = true;
    return 0;
}

static uint32_t check_of(const struct ob_machine_id *machine, struct ob_sample first, const void *data,
                         size_t bytes) {
    struct ob_hasher hasher;
    ob_hasher_init(&hasher);
    ob_hasher_add(&hasher, machine->key, OB_KEY_BYTES);
    ob_hasher_add_u64(&hasher, first.index);
    ob_hasher_add(&hasher, data, bytes);
    struct ob_hash hash = ob_hasher_end(&hasher);
    return ob_load_u32(hash.bytes);
}

size_t ob_store_row_encode(const struct ob_record *record, bool with_prev,
                           uint8_t ret_data[static OB_STORE_ROW_BYTES_MAX]) {
    assert(record->signature && record->n >= 1 && !(with_prev && record->first.index == 0));
    struct ob_writer writer = ob_writer_init(ret_data, OB_STORE_ROW_BYTES_MAX);
    write_varint(&writer, 2 * (uint64_t)record->round.index + with_prev);
    write_varint(&writer, record->live);
    ob_write_u8(&writer, (uint8_t)record->exponent);
    ob_write_u8(&writer, record->profile);
    if (with_prev)
        ob_write_bytes(&writer, record->prev.bytes, OB_HASH_BYTES);
    ob_write_bytes(&writer, record->bytes, record->n);
    ob_write_bytes(&writer, record->signature, OB_RECORD_SIGNATURE_BYTES);
    ob_write_u32(&writer, check_of(&record->machine, record->first, ret_data, writer.used));
    assert(!writer.failed);
    return writer.used;
}

enum ob_err ob_store_row_decode(const struct ob_machine_id *machine, struct ob_sample first, const void *data,
                                size_t bytes, struct ob_store_row *ret_row, struct ob_error *error) {
    if (bytes < OB_STORE_ROW_CHECK || bytes > OB_STORE_ROW_BYTES_MAX)
        return ob_fail(error, OB_EFORMAT, "the row of sample %llu has an impossible length of %zu bytes",
                       (unsigned long long)first.index, bytes);
    size_t body = bytes - OB_STORE_ROW_CHECK;
    if (ob_load_u32((const uint8_t *)data + body) != check_of(machine, first, data, body))
        return ob_fail(error, OB_EFORMAT, "the row of sample %llu is damaged",
                       (unsigned long long)first.index);
    struct ob_reader reader = ob_reader_init(data, body);
    uint64_t round = read_varint(&reader), live = read_varint(&reader);
    struct ob_store_row row = {.has_prev = round & 1};
    row.record.machine = *machine;
    row.record.first = first;
    row.record.exponent = (int8_t)ob_read_u8(&reader);
    row.record.profile = ob_read_u8(&reader);
    if (row.has_prev)
        ob_read_bytes(&reader, row.record.prev.bytes, OB_HASH_BYTES);
    size_t n = reader.left > OB_RECORD_SIGNATURE_BYTES ? reader.left - OB_RECORD_SIGNATURE_BYTES : 0;
    row.record.bytes = ob_read_view(&reader, n);
    row.record.signature = ob_read_view(&reader, OB_RECORD_SIGNATURE_BYTES);
    if (reader.failed || n == 0 || n > OB_SAMPLES_PER_ROUND_MAX || round / 2 > UINT32_MAX ||
        live > UINT16_MAX || (row.has_prev && first.index == 0))
        return ob_fail(error, OB_EFORMAT, "the row of sample %llu does not follow its layout",
                       (unsigned long long)first.index);
    row.record.round.index = (uint32_t)(round / 2);
    row.record.live = (uint16_t)live;
    row.record.n = (uint16_t)n;
    *ret_row = row;
    return OB_OK;
}
