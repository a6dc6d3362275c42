#include "model/convert/export_elements.h"

#include "model/families/adapter.h"

#define BLOCK 4096 /* elements converted at a time */

void ob_export_elements(struct ob_output *output, const struct ob_weight_source *source, size_t tensor,
                        uint64_t first, uint64_t count, enum ob_dtype dtype) {
    float values[BLOCK];
    uint8_t bytes[4 * BLOCK];
    for (uint64_t end = first + count; first < end && !output->failed; first += BLOCK) {
        size_t part = end - first < BLOCK ? (size_t)(end - first) : BLOCK;
        ob_source_read_merged(source, tensor, first, part, values);
        ob_dtype_encode(dtype, values, part, bytes);
        ob_output_write(output, bytes, part * ob_dtype_block_bytes(dtype));
    }
}
