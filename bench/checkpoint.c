/* checkpoint - writes a random GPT-2 checkpoint of any shape, for benchmarks that need the size and not the
 * sense. checkpoint FOLDER [LAYERS WIDTH HEADS VOCABULARY CONTEXT]      (default: GPT-2 small's 12 768 12
 * 50257 1024) Weights are near N(0, 0.02), norms' gains 1, biases 0; the same bytes each time. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct shape {
    unsigned long layers, width, heads, vocabulary, context;
};

enum kind { MATRIX, GAIN, ZERO };

struct tensor {
    char name[64];
    unsigned long rows, columns; /* columns 0: a vector */
    enum kind kind;
};

#define TENSORS_MAX 4096

struct checkpoint {
    struct tensor tensors[TENSORS_MAX];
    size_t count;
};

static void add(struct checkpoint *c, const char *name, unsigned long rows, unsigned long columns,
                enum kind kind) {
    if (c->count == TENSORS_MAX)
        exit(2);
    struct tensor *t = &c->tensors[c->count++];
    (void)snprintf(t->name, sizeof t->name, "%s", name);
    t->rows = rows;
    t->columns = columns;
    t->kind = kind;
}

static void add_layer(struct checkpoint *c, unsigned long layer, unsigned long width) {
    static const struct {
        const char *name;
        unsigned rows, columns; /* in widths */
        enum kind kind;
    } PARTS[] = {
        {"ln_1.weight", 1, 0, GAIN},          {"ln_1.bias", 1, 0, ZERO},
        {"attn.c_attn.weight", 1, 3, MATRIX}, {"attn.c_attn.bias", 3, 0, ZERO},
        {"attn.c_proj.weight", 1, 1, MATRIX}, {"attn.c_proj.bias", 1, 0, ZERO},
        {"ln_2.weight", 1, 0, GAIN},          {"ln_2.bias", 1, 0, ZERO},
        {"mlp.c_fc.weight", 1, 4, MATRIX},    {"mlp.c_fc.bias", 4, 0, ZERO},
        {"mlp.c_proj.weight", 4, 1, MATRIX},  {"mlp.c_proj.bias", 1, 0, ZERO},
    };
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "transformer.h.%lu.%s", layer, PARTS[i].name);
        add(c, name, PARTS[i].rows * width, PARTS[i].columns * width, PARTS[i].kind);
    }
}

static unsigned long elements_of(const struct tensor *t) {
    return t->rows * (t->columns ? t->columns : 1);
}

/* The sum of four uniform values: near enough to normal. */
static float next_weight(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    uint64_t bits = *state ^ *state >> 29;
    float sum = -2.0f;
    for (int i = 0; i < 4; i++, bits >>= 16)
        sum += (float)(bits & 0xffff) * 0x1p-16f;
    return sum * 0.0346f;
}

static bool write_header(const struct checkpoint *c, FILE *file) {
    size_t room = 256 * c->count + 64, used = 0;
    char *text = malloc(room);
    uint64_t at = 0;
    if (!text)
        return false;
    for (size_t i = 0; i < c->count; i++) {
        const struct tensor *t = &c->tensors[i];
        char shape[64];
        (void)snprintf(shape, sizeof shape, t->columns ? "%lu,%lu" : "%lu", t->rows, t->columns);
        used += (size_t)snprintf(text + used, room - used,
                                 "%c\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%llu,%llu]}",
                                 i ? ',' : '{', t->name, shape, (unsigned long long)at,
                                 (unsigned long long)(at + 4 * elements_of(t)));
        at += 4 * elements_of(t);
    }
    used += (size_t)snprintf(text + used, room - used, "}");
    while (used % 8)
        text[used++] = ' ';
    uint64_t bytes = used; /* little-endian machines only, as these benchmarks are */
    bool written = fwrite(&bytes, 8, 1, file) == 1 && fwrite(text, used, 1, file) == 1;
    free(text);
    return written;
}

static bool write_tensors(const struct checkpoint *c, FILE *file) {
    uint64_t state = 1;
    float part[8192];
    for (size_t i = 0; i < c->count; i++)
        for (unsigned long left = elements_of(&c->tensors[i]); left > 0;) {
            size_t count = left < 8192 ? left : 8192;
            for (size_t k = 0; k < count; k++)
                part[k] = c->tensors[i].kind == MATRIX ? next_weight(&state)
                          : c->tensors[i].kind == GAIN ? 1.0f
                                                       : 0.0f;
            if (fwrite(part, sizeof *part, count, file) != count)
                return false;
            left -= count;
        }
    return true;
}

static FILE *create(const char *folder, const char *name) {
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return fopen(path, "wb");
}

static bool write_config(const struct shape *s, FILE *file) {
    return fprintf(file,
                   "{\"architectures\": [\"GPT2LMHeadModel\"], \"model_type\": \"gpt2\", \"n_layer\": %lu, "
                   "\"n_embd\": %lu, "
                   "\"n_head\": %lu, \"vocab_size\": %lu, \"n_positions\": %lu, \"n_ctx\": %lu, "
                   "\"activation_function\": "
                   "\"gelu_new\", \"layer_norm_epsilon\": 1e-05, \"tie_word_embeddings\": true}\n",
                   s->layers, s->width, s->heads, s->vocabulary, s->context, s->context) > 0;
}

int main(int argc, char **argv) {
    static struct checkpoint c;
    struct shape s = {12, 768, 12, 50257, 1024};
    if (argc != 2 && argc != 7) {
        fputs("usage: checkpoint FOLDER [LAYERS WIDTH HEADS VOCABULARY CONTEXT]\n", stderr);
        return 2;
    }
    if (argc == 7)
        s = (struct shape){strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10),
                           strtoul(argv[5], NULL, 10), strtoul(argv[6], NULL, 10)};
    add(&c, "transformer.wte.weight", s.vocabulary, s.width, MATRIX);
    add(&c, "transformer.wpe.weight", s.context, s.width, MATRIX);
    for (unsigned long layer = 0; layer < s.layers; layer++)
        add_layer(&c, layer, s.width);
    add(&c, "transformer.ln_f.weight", s.width, 0, GAIN);
    add(&c, "transformer.ln_f.bias", s.width, 0, ZERO);
    (void)mkdir(argv[1], 0777);
    FILE *config = create(argv[1], "config.json"), *weights = create(argv[1], "model.safetensors");
    bool written = config && weights && write_config(&s, config) && write_header(&c, weights) &&
                   write_tensors(&c, weights);
    written = config && fclose(config) == 0 && written;
    written = weights && fclose(weights) == 0 && written;
    if (!written)
        perror(argv[1]);
    return written ? 0 : 1;
}
