/* print_logits MODEL TOKENS OUT - every logit of every position, for check_exports.py: TOKENS has a sequence
 * of ids on each line, OUT gets float32 (positions of all sequences, vocabulary) in the machine's byte order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/convert/open_model.h"
#include "model/forward/forward.h"

#define TOKENS_MAX 4096

static enum ob_err write_logits(struct ob_forward *forward, const struct ob_weight_source *source,
                                const struct ob_batch *batch, FILE *out, struct ob_error *error) {
    size_t vocabulary = source->model->config.vocabulary;
    float *logits = calloc(vocabulary, sizeof *logits);
    enum ob_err failed = logits ? OB_OK : ob_fail(error, OB_ENOMEM, "out of memory");
    for (size_t position = 0; position < batch->tokens_used && !failed; position++) {
        failed = ob_forward_logits(forward, source, batch, position, logits, error);
        if (!failed && fwrite(logits, sizeof *logits, vocabulary, out) != vocabulary)
            failed = ob_fail(error, OB_EIO, "cannot write the logits");
    }
    free(logits);
    return failed;
}

/* Ids of one line; returns how many. */
static size_t read_line(char *line, int32_t ids[TOKENS_MAX]) {
    size_t count = 0;
    for (char *at = strtok(line, " \n"); at && count < TOKENS_MAX; at = strtok(NULL, " \n"))
        ids[count++] = (int32_t)strtol(at, NULL, 10);
    return count;
}

static enum ob_err run(const char *path, FILE *tokens, FILE *out, struct ob_error *error) {
    static int32_t ids[TOKENS_MAX];
    static char line[16 * TOKENS_MAX];
    struct ob_model *model = NULL;
    struct ob_pool *pool = NULL;
    struct ob_forward *forward = NULL;
    struct ob_batch *batch = NULL;
    enum ob_err failed = ob_model_open(path, &model, error);
    if (!failed)
        failed = ob_pool_new(2, &pool, error);
    if (!failed)
        failed = ob_forward_new(&model->config, TOKENS_MAX, 1, pool, &forward, error);
    if (!failed)
        failed = ob_batch_new(1, TOKENS_MAX, &batch, error);
    while (!failed && fgets(line, sizeof line, tokens)) {
        struct ob_weight_source source = {.model = model};
        ob_batch_clear(batch);
        if (ob_batch_add(batch, ids, read_line(line, ids), 1))
            failed = write_logits(forward, &source, batch, out, error);
    }
    ob_batch_free(batch);
    ob_forward_free(forward);
    ob_pool_free(pool);
    ob_model_free(model);
    return failed;
}

int main(int argc, char **argv) {
    struct ob_error error = {0};
    FILE *tokens = argc == 4 ? fopen(argv[2], "re") : NULL, *out = tokens ? fopen(argv[3], "we") : NULL;
    if (!out) {
        fputs("usage: print_logits MODEL TOKENS OUT\n", stderr);
        return 2;
    }
    enum ob_err failed = run(argv[1], tokens, out, &error);
    if (failed)
        fprintf(stderr, "print_logits: %s\n", error.text);
    if (fclose(out) != 0 && !failed)
        failed = OB_EIO;
    (void)fclose(tokens);
    return failed ? 1 : 0;
}
