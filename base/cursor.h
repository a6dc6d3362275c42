/* cursor - bounds-checked little-endian reading and writing of byte buffers.
 *
 * A reader that runs past its end, or a writer past its capacity, sets `failed` and from then on does
 * nothing (reads give zero): a decoder reads all its fields and checks `failed` once, before it uses any.
 * Owns: nothing; the buffers are the caller's and must outlive the cursor. */
#ifndef OB_BASE_CURSOR_H
#define OB_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ob_reader {
    const uint8_t *at;
    size_t left;
    bool failed;
};

struct ob_reader ob_reader_init(const void *data, size_t bytes);
uint8_t ob_read_u8(struct ob_reader *reader);
uint16_t ob_read_u16(struct ob_reader *reader);
uint32_t ob_read_u32(struct ob_reader *reader);
uint64_t ob_read_u64(struct ob_reader *reader);
double ob_read_f64(struct ob_reader *reader); /* IEEE 754 binary64; any bits */
void ob_read_bytes(struct ob_reader *reader, void *ret_data, size_t bytes);
/* A pointer to the next `bytes` bytes inside the buffer, or NULL (and `failed`). */
const uint8_t *ob_read_view(struct ob_reader *reader, size_t bytes);

struct ob_writer {
    uint8_t *start;
    size_t used;
    size_t capacity;
    bool failed;
};

struct ob_writer ob_writer_init(void *data, size_t capacity);
void ob_write_u8(struct ob_writer *writer, uint8_t value);
void ob_write_u16(struct ob_writer *writer, uint16_t value);
void ob_write_u32(struct ob_writer *writer, uint32_t value);
void ob_write_u64(struct ob_writer *writer, uint64_t value);
void ob_write_f64(struct ob_writer *writer, double value);
void ob_write_bytes(struct ob_writer *writer, const void *data, size_t bytes);

/* The same fields outside a cursor. */
uint16_t ob_load_u16(const uint8_t *from);
uint32_t ob_load_u32(const uint8_t *from);
uint64_t ob_load_u64(const uint8_t *from);
void ob_store_u16(uint8_t *to, uint16_t value);
void ob_store_u32(uint8_t *to, uint32_t value);
void ob_store_u64(uint8_t *to, uint64_t value);

#endif
