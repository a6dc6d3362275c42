#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base.h"
#include "cli/command.h"
#include "cli/progress.h"
#include "model/convert/open_model.h"
#include "model/convert/open_tokenizer.h"
#include "model/forward/forward.h"
#include "run/replica.h"

struct arguments {
    const char *model, *prompt, *chat_template, *system;
    int64_t tokens, seed;
    double temperature;
    bool chat;
};

#define AT(member) OB_ARGUMENT(struct arguments, member)

static const struct ob_option OPTIONS[] = {
    OB_OPTION_MODEL(struct arguments, "model to sample from"),
    {"prompt", "TEXT", "text to continue; with --chat, the user's message", AT(prompt), .fallback = ""},
    {"tokens", "N", "maximum number of tokens to generate", AT(tokens), .low = 1, .high = 1 << 20,
     .fallback = "64"},
    {"temperature", "T", "sampling temperature; 0: always the likeliest token", AT(temperature), .least = 0,
     .most = 100, .fallback = "0.8"},
    {"seed", "N", "the same seed generates the same text", AT(seed), .low = 0, .high = INT64_MAX,
     .fallback = "1"},
    {"chat", NULL, "treat the prompt as a user's message, which the model answers", AT(chat)},
    {"system", "TEXT", "with --chat: the system message", AT(system)},
    OB_OPTION_CHAT_TEMPLATE(struct arguments),
};

/* splitmix64: the same seed writes the same text. */
static double uniform(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* temperature 0: the likeliest token. */
static int32_t choose(const float *logits, size_t count, double temperature, uint64_t *random) {
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        if (logits[i] > logits[best])
            best = i;
    if (temperature <= 0.0)
        return (int32_t)best;
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += exp((double)(logits[i] - logits[best]) / temperature);
    double at = uniform(random) * sum;
    for (size_t i = 0; i < count; i++) {
        at -= exp((double)(logits[i] - logits[best]) / temperature);
        if (at <= 0.0)
            return (int32_t)i;
    }
    return (int32_t)best;
}

struct generation {
    const struct ob_model *model;
    const struct ob_tokenizer *tokenizer;
    double temperature;
    uint64_t random;
    int32_t *tokens; /* prompt and what follows */
    size_t count, wanted;
    size_t shown_from; /* the first token that is printed */
    int32_t chat_end;  /* ends an answer; -1: no chat */
};

static enum ob_err extend(struct generation *g, struct ob_forward *forward, struct ob_batch *batch,
                          float *logits, struct ob_progress *progress, struct ob_error *error) {
    struct ob_weight_source source = {.model = g->model};
    size_t context = batch->tokens_max;
    for (size_t i = 0; i < g->wanted; i++) {
        size_t from = g->count > context ? g->count - context : 0;
        ob_progress_at(progress, i);
        ob_batch_clear(batch);
        if (!ob_batch_add(batch, g->tokens + from, g->count - from, 1))
            break;
        enum ob_err failed =
            ob_forward_logits(forward, &source, batch, batch->tokens_used - 1, logits, error);
        if (failed)
            return failed;
        int32_t next = choose(logits, g->model->config.vocabulary, g->temperature, &g->random);
        if (next == g->model->config.eos || next == g->chat_end)
            break;
        g->tokens[g->count++] = next;
    }
    return OB_OK;
}

static enum ob_err generate(struct generation *g, struct ob_pool *pool, struct ob_error *error) {
    struct ob_forward *forward = NULL;
    struct ob_batch *batch = NULL;
    char *text = NULL;
    size_t bytes = 0, context = g->model->config.context < 1024 ? g->model->config.context : 1024;
    float *logits = calloc(g->model->config.vocabulary, sizeof *logits);
    struct ob_progress progress = {0};
    ob_progress_start(&progress, "generating", "tokens", g->wanted);
    enum ob_err failed = logits ? OB_OK : ob_fail(error, OB_ENOMEM, "out of memory for the text");
    if (!failed)
        failed = ob_forward_new(&g->model->config, context, 1, pool, &forward, error);
    if (!failed)
        failed = ob_batch_new(1, context, &batch, error);
    if (!failed)
        failed = extend(g, forward, batch, logits, &progress, error);
    ob_progress_end(&progress);
    if (!failed)
        failed = ob_tokenizer_decode(g->tokenizer, g->tokens + g->shown_from, g->count - g->shown_from, true,
                                     &text, &bytes, error);
    if (!failed) {
        fwrite(text, 1, bytes, stdout);
        putchar('\n');
    }
    free(text);
    ob_batch_free(batch);
    ob_forward_free(forward);
    free(logits);
    return failed;
}

static enum ob_err start_prompt(struct generation *g, const char *prompt, struct ob_error *error) {
    int32_t *ids = NULL;
    size_t count = 0;
    enum ob_err failed = ob_tokenizer_encode(g->tokenizer, NULL, prompt, strlen(prompt), &ids, &count, error);
    if (failed)
        return failed;
    struct ob_tokenizer_affixes affixes = ob_tokenizer_affixes(g->tokenizer);
    if (affixes.prefix_count + count == 0 && g->model->config.bos < 0)
        return ob_fail(error, OB_EUSAGE, "this model has no token to start from; give a --prompt");
    g->tokens = calloc(affixes.prefix_count + count + 1 + g->wanted, sizeof *g->tokens);
    if (!g->tokens) {
        free(ids);
        return ob_fail(error, OB_ENOMEM, "out of memory for the text");
    }
    for (size_t i = 0; i < affixes.prefix_count; i++)
        g->tokens[g->count++] = affixes.prefix[i];
    if (g->count + count == 0)
        g->tokens[g->count++] = g->model->config.bos;
    for (size_t i = 0; i < count; i++)
        g->tokens[g->count++] = ids[i];
    free(ids);
    return OB_OK;
}

/* The prompt as a user's message, and the header of an answer. */
static enum ob_err start_chat(struct generation *g, const char *model, const char *format, const char *system,
                              const char *prompt, struct ob_error *error) {
    struct ob_chat_message messages[2] = {{OB_CHAT_SYSTEM, system, system ? strlen(system) : 0},
                                          {OB_CHAT_USER, prompt, strlen(prompt)}};
    struct ob_chat *chat = NULL;
    struct ob_chat_ids ids = {0};
    size_t first = system == NULL;
    enum ob_err failed = ob_chat_open(model, format, g->tokenizer, &chat, error);
    if (!failed)
        failed = ob_chat_encode(chat, NULL, messages + first, 2 - first, true, &ids, error);
    if (!failed && !(g->tokens = calloc(ids.count + g->wanted, sizeof *g->tokens)))
        failed = ob_fail(error, OB_ENOMEM, "out of memory for the text");
    if (!failed) {
        memcpy(g->tokens, ids.ids, ids.count * sizeof *ids.ids);
        g->count = g->shown_from = ids.count;
        g->chat_end = ob_chat_end(chat);
    }
    ob_chat_ids_done(&ids);
    ob_chat_free(chat);
    return failed;
}

static enum ob_err start(const struct arguments *a, struct generation *g, struct ob_error *error) {
    return a->chat ? start_chat(g, a->model, a->chat_template, a->system, a->prompt, error)
                   : start_prompt(g, a->prompt, error);
}

static int run(const void *arguments) {
    char path[OB_PATH_MAX];
    struct arguments given = *(const struct arguments *)arguments;
    given.model = ob_cli_model_file(given.model, path);
    const struct arguments *a = &given;
    struct ob_error error = {0};
    struct ob_model *model = NULL;
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_pool *pool = NULL;
    struct generation g = {.chat_end = -1,
                           .temperature = a->temperature,
                           .wanted = (size_t)a->tokens,
                           .random = (uint64_t)a->seed};
    if (!a->chat && (a->chat_template || a->system))
        return ob_cli_fail_usage("--chat-template and --system need --chat");
    enum ob_err failed = ob_pool_new(ob_processors(), &pool, &error);
    if (!failed)
        failed = ob_model_open(a->model, &model, &error);
    if (!failed)
        failed = ob_tokenizer_open(a->model, &tokenizer, &error);
    g.model = model;
    g.tokenizer = tokenizer;
    if (!failed)
        failed = start(a, &g, &error);
    if (!failed)
        failed = generate(&g, pool, &error);
    free(g.tokens);
    ob_tokenizer_free(tokenizer);
    ob_model_free(model);
    ob_pool_free(pool);
    return failed ? ob_cli_fail(&error) : OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_GENERATE = {
    .name = "generate",
    .summary = "sample text from a model",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .needs_blas = true,
    .run = run,
};
