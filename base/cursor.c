#include "base/cursor.h"

#include <string.h>

uint16_t ob_load_u16(const uint8_t *from) {
    return (uint16_t)(from[0] | (unsigned)from[1] << 8);
}
uint32_t ob_load_u32(const uint8_t *from) {
    return (uint32_t)ob_load_u16(from) | (uint32_t)ob_load_u16(from + 2) << 16;
}
uint64_t ob_load_u64(const uint8_t *from) {
    return (uint64_t)ob_load_u32(from) | (uint64_t)ob_load_u32(from + 4) << 32;
}
void ob_store_u16(uint8_t *to, uint16_t value) {
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}
void ob_store_u32(uint8_t *to, uint32_t value) {
    ob_store_u16(to, (uint16_t)value);
    ob_store_u16(to + 2, (uint16_t)(value >> 16));
}
void ob_store_u64(uint8_t *to, uint64_t value) {
    ob_store_u32(to, (uint32_t)value);
    ob_store_u32(to + 4, (uint32_t)(value >> 32));
}

struct ob_reader ob_reader_init(const void *data, size_t bytes) {
    return (struct ob_reader){.at = data, .left = bytes};
}

const uint8_t *ob_read_view(struct ob_reader *reader, size_t bytes) {
    if (reader->failed || bytes > reader->left) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *view = reader->at;
    if (bytes > 0)
        reader->at += bytes;
    reader->left -= bytes;
    return view;
}

uint8_t ob_read_u8(struct ob_reader *reader) {
    const uint8_t *view = ob_read_view(reader, 1);
    return view ? view[0] : 0;
}
uint16_t ob_read_u16(struct ob_reader *reader) {
    const uint8_t *view = ob_read_view(reader, 2);
    return view ? ob_load_u16(view) : 0;
}
uint32_t ob_read_u32(struct ob_reader *reader) {
    const uint8_t *view = ob_read_view(reader, 4);
    return view ? ob_load_u32(view) : 0;
}
uint64_t ob_read_u64(struct ob_reader *reader) {
    const uint8_t *view = ob_read_view(reader, 8);
    return view ? ob_load_u64(view) : 0;
}
double ob_read_f64(struct ob_reader *reader) {
    uint64_t bits = ob_read_u64(reader);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

void ob_read_bytes(struct ob_reader *reader, void *ret_data, size_t bytes) {
    const uint8_t *view = ob_read_view(reader, bytes);
    if (bytes == 0)
        return;
    if (view)
        memcpy(ret_data, view, bytes);
    else
        memset(ret_data, 0, bytes);
}

struct ob_writer ob_writer_init(void *data, size_t capacity) {
    return (struct ob_writer){.start = data, .capacity = capacity};
}

static uint8_t *claim(struct ob_writer *writer, size_t bytes) {
    if (writer->failed || bytes > writer->capacity - writer->used) {
        writer->failed = true;
        return NULL;
    }
    uint8_t *place = writer->start + writer->used;
    writer->used += bytes;
    return place;
}

void ob_write_u8(struct ob_writer *writer, uint8_t value) {
    uint8_t *place = claim(writer, 1);
    if (place)
        place[0] = value;
}
void ob_write_u16(struct ob_writer *writer, uint16_t value) {
    uint8_t *place = claim(writer, 2);
    if (place)
        ob_store_u16(place, value);
}
void ob_write_u32(struct ob_writer *writer, uint32_t value) {
    uint8_t *place = claim(writer, 4);
    if (place)
        ob_store_u32(place, value);
}
void ob_write_u64(struct ob_writer *writer, uint64_t value) {
    uint8_t *place = claim(writer, 8);
    if (place)
        ob_store_u64(place, value);
}
void ob_write_f64(struct ob_writer *writer, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    ob_write_u64(writer, bits);
}

void ob_write_bytes(struct ob_writer *writer, const void *data, size_t bytes) {
    if (bytes == 0)
        return;
    uint8_t *place = claim(writer, bytes);
    if (place)
        memcpy(place, data, bytes);
}
