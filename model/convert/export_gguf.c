#include "model/convert/export_gguf.h"

#include <stdlib.h>
#include <string.h>

#include "model/convert/export_elements.h"
#include "model/convert/gguf_check.h"
#include "model/convert/gguf_metadata.h"
#include "model/convert/gguf_names.h"
#include "model/convert/gguf_rope.h"
#include "model/families/adapter.h"
#include "model/families/family.h"
#include "model/formats/gguf_tensors.h"

#define ALIGNMENT 32

struct place {
    enum ob_slot slot;
    uint32_t layer;
};

struct exporting {
    const struct ob_weight_source *source;
    const struct ob_model *model;
    enum ob_dtype dtype;
    const struct ob_progress_callback *progress;
    struct place *places;   /* of each canonical tensor */
    uint64_t weights_bytes; /* of all of them in the file */
    struct ob_gguf_writer metadata, tensors;
    struct ob_error *error;
};

static enum ob_err find_places(struct exporting *e) {
    e->places = calloc(e->model->tensor_count, sizeof *e->places);
    if (!e->places)
        return ob_fail(e->error, OB_ENOMEM, "%s: out of memory", e->model->path);
    for (uint32_t layer = 0; layer < e->model->config.layers; layer++)
        for (int slot = 0; slot < OB_SLOT_COUNT; slot++) {
            int64_t index = ob_model_slot(e->model, layer, (enum ob_slot)slot);
            if (index >= 0)
                e->places[index] = (struct place){(enum ob_slot)slot, layer};
        }
    return OB_OK;
}

static bool is_transposed(const struct exporting *e, size_t tensor) {
    return e->model->tensors[tensor].dims == 2 &&
           ob_gguf_is_transposed(e->model->config.family, e->places[tensor].slot);
}

/* llama.cpp wants vectors and learned positions in float32. */
static enum ob_dtype dtype_of(const struct exporting *e, size_t tensor) {
    bool is_vector = e->model->tensors[tensor].dims == 1;
    return is_vector || e->places[tensor].slot == OB_SLOT_POSITIONS ? OB_DTYPE_F32 : e->dtype;
}

static uint64_t padded(uint64_t bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* Tensors of RoPE factors, which belong to the configuration. */
struct rope_tensor {
    const char *name;
    const float *factors; /* NULL: Llama 3's */
};

static size_t rope_tensors(const struct exporting *e, struct rope_tensor ret_tensors[2]) {
    const struct ob_rope *rope = &e->model->config.rope;
    if (rope->scaling == OB_ROPE_LLAMA3) {
        ret_tensors[0] = (struct rope_tensor){OB_GGUF_ROPE_FACTORS, NULL};
        return 1;
    }
    if (rope->scaling != OB_ROPE_LONG)
        return 0;
    ret_tensors[0] = (struct rope_tensor){OB_GGUF_ROPE_FACTORS_LONG, rope->long_factors};
    ret_tensors[1] = (struct rope_tensor){OB_GGUF_ROPE_FACTORS_SHORT, rope->short_factors};
    return 2;
}

static void describe_rope_tensors(struct exporting *e, uint64_t offset) {
    struct rope_tensor tensors[2];
    size_t count = rope_tensors(e, tensors), factors = e->model->config.rotary_width / 2;
    for (size_t i = 0; i < count; i++) {
        ob_gguf_put_text(&e->tensors, tensors[i].name, strlen(tensors[i].name));
        ob_gguf_put_u32(&e->tensors, 1);
        ob_gguf_put_u64(&e->tensors, factors);
        ob_gguf_put_u32(&e->tensors, ob_gguf_dtype_number(OB_DTYPE_F32));
        ob_gguf_put_u64(&e->tensors, offset);
        offset += padded(factors * sizeof(float));
    }
}

static enum ob_err describe(struct exporting *e) {
    uint64_t offset = 0;
    for (size_t i = 0; i < e->model->tensor_count; i++) {
        const struct ob_model_tensor *tensor = &e->model->tensors[i];
        char name[OB_NAME_MAX];
        if (!ob_gguf_slot_name(e->places[i].slot, e->places[i].layer, name))
            return ob_fail(e->error, OB_EUNSUPPORTED, "%s: GGUF has no place for tensor %s", e->model->path,
                           tensor->name);
        ob_gguf_put_text(&e->tensors, name, strlen(name));
        ob_gguf_put_u32(&e->tensors, tensor->dims);
        bool transposed = is_transposed(e, i);
        if (tensor->dims == 2) /* the one that varies fastest first */
            ob_gguf_put_u64(&e->tensors, tensor->shape[transposed ? 0 : 1]);
        ob_gguf_put_u64(&e->tensors, tensor->shape[transposed ? 1 : 0]);
        ob_gguf_put_u32(&e->tensors, ob_gguf_dtype_number(dtype_of(e, i)));
        ob_gguf_put_u64(&e->tensors, offset);
        offset += padded(tensor->elements * ob_dtype_block_bytes(dtype_of(e, i)));
    }
    e->weights_bytes = offset;
    describe_rope_tensors(e, offset);
    return OB_OK;
}

static enum ob_err write_transposed(const struct exporting *e, struct ob_output *out, size_t tensor) {
    const struct ob_model_tensor *t = &e->model->tensors[tensor];
    size_t ins = (size_t)t->shape[0], outs = (size_t)t->shape[1];
    float *whole = calloc(ins * outs, sizeof *whole), *row = calloc(ins, sizeof *row);
    uint8_t *bytes = calloc(4 * ins, 1);
    if (whole && row && bytes) {
        ob_source_read_merged(e->source, tensor, 0, ins * outs, whole);
        for (size_t o = 0; o < outs && !out->failed; o++) {
            for (size_t i = 0; i < ins; i++)
                row[i] = whole[i * outs + o];
            ob_dtype_encode(e->dtype, row, ins, bytes);
            ob_output_write(out, bytes, ins * ob_dtype_block_bytes(e->dtype));
        }
    }
    enum ob_err failed =
        whole && row && bytes ? OB_OK : ob_fail(e->error, OB_ENOMEM, "%s: out of memory", e->model->path);
    free(whole);
    free(row);
    free(bytes);
    return failed;
}

static enum ob_err write_reordered(const struct exporting *e, struct ob_output *out, size_t tensor) {
    const struct ob_model_tensor *t = &e->model->tensors[tensor];
    uint64_t width = t->elements / t->shape[0];
    uint32_t *places = calloc(t->shape[0], sizeof *places), *rows = calloc(t->shape[0], sizeof *rows);
    enum ob_err failed =
        places && rows ? OB_OK : ob_fail(e->error, OB_ENOMEM, "%s: out of memory", e->model->path);
    if (!failed) {
        ob_gguf_rows(&e->model->config, e->places[tensor].slot, places);
        for (uint32_t row = 0; row < t->shape[0]; row++)
            rows[places[row]] = row;
        for (uint64_t at = 0; at < t->shape[0] && !out->failed; at++)
            ob_export_elements(out, e->source, tensor, rows[at] * width, width, dtype_of(e, tensor));
    }
    free(places);
    free(rows);
    return failed;
}

static enum ob_err write_shifted(const struct exporting *e, struct ob_output *out, size_t tensor) {
    size_t count = (size_t)e->model->tensors[tensor].elements;
    float *values = calloc(count, sizeof *values);
    uint8_t *bytes = calloc(count, 4);
    enum ob_err failed =
        values && bytes ? OB_OK : ob_fail(e->error, OB_ENOMEM, "%s: out of memory", e->model->path);
    if (!failed) {
        ob_source_read_merged(e->source, tensor, 0, count, values);
        for (size_t i = 0; i < count; i++)
            values[i] += 1;
        ob_dtype_encode(OB_DTYPE_F32, values, count, bytes);
        ob_output_write(out, bytes, count * sizeof *values);
    }
    free(values);
    free(bytes);
    return failed;
}

static enum ob_err write_tensor(const struct exporting *e, struct ob_output *out, size_t tensor) {
    if (ob_gguf_is_shifted(e->model->config.family, e->model->tensors[tensor].role))
        return write_shifted(e, out, tensor);
    if (is_transposed(e, tensor))
        return write_transposed(e, out, tensor);
    if (ob_gguf_is_reordered(e->model->config.family, e->places[tensor].slot))
        return write_reordered(e, out, tensor);
    ob_export_elements(out, e->source, tensor, 0, e->model->tensors[tensor].elements, dtype_of(e, tensor));
    return OB_OK;
}

static enum ob_err write_rope_tensors(const struct exporting *e, struct ob_output *out) {
    struct rope_tensor tensors[2];
    size_t count = rope_tensors(e, tensors), factors = e->model->config.rotary_width / 2;
    float *values = calloc(factors + 1, sizeof *values);
    uint8_t *bytes = calloc(factors + 1, 4);
    for (size_t i = 0; i < count && values && bytes; i++) {
        if (tensors[i].factors)
            memcpy(values, tensors[i].factors, factors * sizeof *values);
        else
            ob_gguf_rope_factors(&e->model->config.rope, factors, values);
        ob_dtype_encode(OB_DTYPE_F32, values, factors, bytes);
        ob_output_pad(out, ALIGNMENT);
        ob_output_write(out, bytes, factors * sizeof *values);
    }
    enum ob_err failed =
        values && bytes ? OB_OK : ob_fail(e->error, OB_ENOMEM, "%s: out of memory", e->model->path);
    free(values);
    free(bytes);
    return failed;
}

static enum ob_err write_file(struct exporting *e, const char *folder) {
    struct ob_output out;
    struct ob_gguf_writer header = {0};
    enum ob_err failed = ob_output_open(&out, folder, "model.gguf", e->error);
    if (failed)
        return failed;
    ob_gguf_put(&header, "GGUF", 4);
    ob_gguf_put_u32(&header, 3);
    ob_gguf_put_u64(&header, e->model->tensor_count + rope_tensors(e, (struct rope_tensor[2]){0}));
    ob_gguf_put_u64(&header, e->metadata.entries);
    out.progress = e->progress;
    out.size = header.used + e->metadata.used + e->tensors.used + e->weights_bytes;
    if (header.failed || e->metadata.failed || e->tensors.failed)
        failed = ob_fail(e->error, OB_ENOMEM, "%s: out of memory", folder);
    ob_output_write(&out, header.data, failed ? 0 : header.used);
    ob_output_write(&out, e->metadata.data, failed ? 0 : e->metadata.used);
    ob_output_write(&out, e->tensors.data, failed ? 0 : e->tensors.used);
    for (size_t i = 0; i < e->model->tensor_count && !failed && !out.failed; i++) {
        ob_output_pad(&out, ALIGNMENT);
        failed = write_tensor(e, &out, i);
    }
    if (!failed && !out.failed)
        failed = write_rope_tensors(e, &out);
    ob_output_pad(&out, ALIGNMENT);
    ob_gguf_writer_done(&header);
    return ob_output_close(&out, failed);
}

enum ob_err ob_export_gguf(const struct ob_weight_source *source, const struct ob_export_options *options,
                           const char *folder, struct ob_error *error) {
    struct exporting e = {.source = source,
                          .model = source->model,
                          .dtype = options->dtype,
                          .progress = options->progress,
                          .error = error};
    enum ob_err failed = ob_gguf_check_model(e.model, error);
    if (!failed)
        failed = find_places(&e);
    if (!failed)
        failed = ob_gguf_metadata(e.model, e.dtype, &e.metadata, error);
    if (!failed)
        failed = describe(&e);
    if (!failed)
        failed = write_file(&e, folder);
    ob_gguf_writer_done(&e.metadata);
    ob_gguf_writer_done(&e.tensors);
    free(e.places);
    return failed;
}
