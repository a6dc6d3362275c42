/* checkpoint_llama - writes random weights of a Llama's shape, for benchmarks that need the size and not the sense: a folder
 * with safetensors in bfloat16, or a GGUF file in Q4_0 or Q8_0. The same bytes each time.
 *     checkpoint_llama FOLDER|FILE.gguf 135m|1b|7b [Q4_0|Q8_0]
 * 135m: SmolLM2's shape with a head of its own, 1.63e8 weights; 1b: TinyLlama's shape, 1.10e9 weights; 7b: Llama 2's, 6.74e9. Matrices are uniform with a deviation near 0.02, norms' gains 1. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "model/formats/gguf_tensors.h"
#include "model/formats/gguf_writer.h"

#define TENSORS_MAX 512
#define ALIGNMENT   32
#define Q4_0_SCALE  0x1ca4 /* 0.0045 as float16: times -8 … 7 a deviation of 0.021 */
#define Q8_0_SCALE  0x0d47 /* 0.000322: times -128 … 127 a deviation of 0.024 */
#define BF16_FROM   0x3c00 /* 0.0078; 0.031 is two octaves above */

struct shape {
    const char *name;
    uint32_t layers, width, ff, heads, kv_heads, vocabulary, context;
};

static const struct shape SHAPES[] = {{"135m", 30, 576, 1536, 9, 3, 49152, 2048},
                                      {"1b", 22, 2048, 5632, 32, 4, 32000, 2048},
                                      {"7b", 32, 4096, 11008, 32, 32, 32000, 4096}};

struct tensor {
    char name[96], gguf[64];
    uint64_t rows, columns; /* columns 0: a vector of gains, in float32 */
};

struct checkpoint {
    const struct shape *shape;
    enum ob_dtype dtype; /* of matrices */
    struct tensor tensors[TENSORS_MAX];
    size_t count;
};

static void add(struct checkpoint *c, const char *name, const char *gguf, uint64_t rows, uint64_t columns) {
    if (c->count == TENSORS_MAX)
        abort();
    struct tensor *t = &c->tensors[c->count++];
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    (void)snprintf(t->gguf, sizeof t->gguf, "%s", gguf);
    t->rows = rows;
    t->columns = columns;
}

static void add_layer(struct checkpoint *c, uint32_t layer) {
    const struct shape *s = c->shape;
    uint64_t C = s->width, K = C / s->heads * s->kv_heads, F = s->ff;
    const struct {
        const char *name, *gguf;
        uint64_t rows, columns;
    } PARTS[] = {{"input_layernorm", "attn_norm", C, 0},    {"self_attn.q_proj", "attn_q", C, C},
                 {"self_attn.k_proj", "attn_k", K, C},      {"self_attn.v_proj", "attn_v", K, C},
                 {"self_attn.o_proj", "attn_output", C, C}, {"post_attention_layernorm", "ffn_norm", C, 0},
                 {"mlp.gate_proj", "ffn_gate", F, C},       {"mlp.up_proj", "ffn_up", F, C},
                 {"mlp.down_proj", "ffn_down", C, F}};
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++) {
        char name[96], gguf[64];
        (void)snprintf(name, sizeof name, "model.layers.%u.%s.weight", layer, PARTS[i].name);
        (void)snprintf(gguf, sizeof gguf, "blk.%u.%s.weight", layer, PARTS[i].gguf);
        add(c, name, gguf, PARTS[i].rows, PARTS[i].columns);
    }
}

static void list_tensors(struct checkpoint *c) {
    const struct shape *s = c->shape;
    add(c, "model.embed_tokens.weight", "token_embd.weight", s->vocabulary, s->width);
    for (uint32_t layer = 0; layer < s->layers; layer++)
        add_layer(c, layer);
    add(c, "model.norm.weight", "output_norm.weight", s->width, 0);
    add(c, "lm_head.weight", "output.weight", s->vocabulary, s->width);
}

static size_t block_bytes(enum ob_dtype dtype) {
    return dtype == OB_DTYPE_Q4_0 ? 18 : dtype == OB_DTYPE_Q8_0 ? 34 : 64;
}

static uint64_t bytes_of(const struct tensor *t, enum ob_dtype dtype) {
    if (t->columns == 0)
        return t->rows * sizeof(float);
    return t->rows * t->columns / 32 * block_bytes(dtype);
}

/* ---- data ---- */

static uint64_t draw(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state ^ *state >> 29;
}

/* Blocks of 32: a scale, and numbers of 4 or 8 bits in 16 or 32 bytes. */
static void fill_blocks(uint64_t *state, uint16_t scale, size_t block, uint8_t *to, size_t bytes) {
    for (size_t i = 0; i < bytes; i += block) {
        memcpy(to + i, &scale, sizeof scale);
        for (size_t k = sizeof scale; k < block; k += 8) {
            uint64_t numbers = draw(state);
            memcpy(to + i + k, &numbers, sizeof numbers);
        }
    }
}

/* Four at a time: any sign, two octaves, any fraction. */
static void fill_bf16(uint64_t *state, uint8_t *to, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 8) {
        uint64_t four = (draw(state) & 0x80ff80ff80ff80ffu) + BF16_FROM * 0x0001000100010001u;
        memcpy(to + i, &four, sizeof four);
    }
}

static bool write_tensor(const struct tensor *t, enum ob_dtype dtype, uint64_t *state, FILE *file) {
    static uint8_t part[64 * 8192];
    size_t whole = block_bytes(dtype) * 8192;
    uint64_t left = bytes_of(t, dtype);
    float one = 1.0f;
    for (uint64_t i = 0; t->columns == 0 && i < t->rows; i++)
        if (fwrite(&one, sizeof one, 1, file) != 1)
            return false;
    while (t->columns > 0 && left > 0) {
        size_t bytes = left < whole ? (size_t)left : whole;
        if (dtype == OB_DTYPE_BF16)
            fill_bf16(state, part, bytes);
        else
            fill_blocks(state, dtype == OB_DTYPE_Q4_0 ? Q4_0_SCALE : Q8_0_SCALE, block_bytes(dtype), part,
                        bytes);
        if (fwrite(part, 1, bytes, file) != bytes)
            return false;
        left -= bytes;
    }
    return true;
}

/* ---- a GGUF file ---- */

static bool pad(FILE *file) {
    static const uint8_t ZEROS[ALIGNMENT];
    size_t over = (size_t)(ftell(file) % ALIGNMENT);
    return over == 0 || fwrite(ZEROS, 1, ALIGNMENT - over, file) == ALIGNMENT - over;
}

static void describe_gguf(const struct checkpoint *c, struct ob_gguf_writer *head) {
    const struct shape *s = c->shape;
    ob_gguf_add_text(head, "general.architecture", "llama");
    ob_gguf_add_u32(head, "llama.block_count", s->layers);
    ob_gguf_add_u32(head, "llama.context_length", s->context);
    ob_gguf_add_u32(head, "llama.embedding_length", s->width);
    ob_gguf_add_u32(head, "llama.feed_forward_length", s->ff);
    ob_gguf_add_u32(head, "llama.attention.head_count", s->heads);
    ob_gguf_add_u32(head, "llama.attention.head_count_kv", s->kv_heads);
    ob_gguf_add_u32(head, "llama.rope.dimension_count", s->width / s->heads);
    ob_gguf_add_f32(head, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    uint64_t offset = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct tensor *t = &c->tensors[i];
        ob_gguf_put_text(head, t->gguf, strlen(t->gguf));
        ob_gguf_put_u32(head, t->columns ? 2 : 1);
        if (t->columns)
            ob_gguf_put_u64(head, t->columns);
        ob_gguf_put_u64(head, t->rows);
        ob_gguf_put_u32(head, ob_gguf_dtype_number(t->columns ? c->dtype : OB_DTYPE_F32));
        ob_gguf_put_u64(head, offset);
        offset += (bytes_of(t, c->dtype) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
}

static bool write_gguf(const struct checkpoint *c, const char *path) {
    struct ob_gguf_writer head = {0};
    uint64_t state = 1, numbers[2] = {c->count, 0};
    uint32_t version = 3;
    describe_gguf(c, &head);
    numbers[1] = head.entries;
    FILE *file = fopen(path, "wb");
    bool good = file && !head.failed && fwrite("GGUF", 4, 1, file) == 1 &&
                fwrite(&version, sizeof version, 1, file) == 1 &&
                fwrite(numbers, sizeof numbers, 1, file) == 1 && fwrite(head.data, head.used, 1, file) == 1 &&
                pad(file);
    for (size_t i = 0; i < c->count && good; i++)
        good = write_tensor(&c->tensors[i], c->dtype, &state, file) && pad(file);
    ob_gguf_writer_done(&head);
    return file && fclose(file) == 0 && good;
}

/* ---- a folder ---- */

static FILE *create(const char *folder, const char *name) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return fopen(path, "wb");
}

static bool write_config(const struct shape *s, const char *folder) {
    FILE *file = create(folder, "config.json");
    bool good =
        file &&
        fprintf(file,
                "{\"architectures\": [\"LlamaForCausalLM\"], \"model_type\": \"llama\", \"hidden_act\": "
                "\"silu\", "
                "\"num_hidden_layers\": %u, \"hidden_size\": %u, \"intermediate_size\": %u, "
                "\"num_attention_heads\": %u, \"num_key_value_heads\": %u, \"vocab_size\": %u, "
                "\"max_position_embeddings\": %u, \"rms_norm_eps\": 1e-05, \"tie_word_embeddings\": false}\n",
                s->layers, s->width, s->ff, s->heads, s->kv_heads, s->vocabulary, s->context) > 0;
    return file && fclose(file) == 0 && good;
}

static bool write_head(const struct checkpoint *c, FILE *file) {
    static char text[TENSORS_MAX * 256];
    size_t used = 0;
    uint64_t at = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct tensor *t = &c->tensors[i];
        char shape[64];
        (void)snprintf(shape, sizeof shape, t->columns ? "%llu,%llu" : "%llu", (unsigned long long)t->rows,
                       (unsigned long long)t->columns);
        used += (size_t)snprintf(text + used, sizeof text - used,
                                 "%c\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%llu,%llu]}",
                                 i ? ',' : '{', t->name, t->columns ? "BF16" : "F32", shape,
                                 (unsigned long long)at, (unsigned long long)(at + bytes_of(t, c->dtype)));
        at += bytes_of(t, c->dtype);
    }
    used += (size_t)snprintf(text + used, sizeof text - used, "}");
    while (used % 8)
        text[used++] = ' ';
    uint64_t bytes = used;
    return fwrite(&bytes, 8, 1, file) == 1 && fwrite(text, used, 1, file) == 1;
}

static bool write_folder(const struct checkpoint *c, const char *folder) {
    uint64_t state = 1;
    (void)mkdir(folder, 0777);
    FILE *file = create(folder, "model.safetensors");
    bool good = file && write_config(c->shape, folder) && write_head(c, file);
    for (size_t i = 0; i < c->count && good; i++)
        good = write_tensor(&c->tensors[i], c->dtype, &state, file);
    return file && fclose(file) == 0 && good;
}

int main(int argc, char **argv) {
    static struct checkpoint c;
    size_t length = argc >= 3 ? strlen(argv[1]) : 0;
    bool gguf = length > 5 && strcmp(argv[1] + length - 5, ".gguf") == 0;
    for (size_t i = 0; length > 0 && i < sizeof SHAPES / sizeof *SHAPES; i++)
        if (strcmp(argv[2], SHAPES[i].name) == 0)
            c.shape = &SHAPES[i];
    c.dtype = !gguf                                       ? OB_DTYPE_BF16
              : argc == 4 && strcmp(argv[3], "Q8_0") == 0 ? OB_DTYPE_Q8_0
                                                          : OB_DTYPE_Q4_0;
    if (!c.shape || (argc > 3 && !(gguf && argc == 4))) {
        fputs("usage: checkpoint_llama FOLDER|FILE.gguf 135m|1b|7b [Q4_0|Q8_0]\n", stderr);
        return 2;
    }
    list_tensors(&c);
    bool good = gguf ? write_gguf(&c, argv[1]) : write_folder(&c, argv[1]);
    if (!good)
        perror(argv[1]);
    return good ? 0 : 1;
}
