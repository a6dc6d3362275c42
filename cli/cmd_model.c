/* eval, generate: everything that computes with a checkpoint alone */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/eval.h"
#include "cli/options.h"
#include "model/convert/open_tokenizer.h"
#include "model/forward/forward.h"
#include "run/replica.h"

/* Fills the batch from item *at on, and moves *at behind what went in. */
static void fill(const struct ob_corpus *corpus, size_t *at, struct ob_batch *batch) {
    ob_batch_clear(batch);
    while (*at < ob_corpus_items(corpus) && ob_corpus_add(corpus, *at, batch))
        ++*at;
}

enum ob_err ob_tool_length(const struct ob_tool_rows *rows, size_t *ret_length, struct ob_error *error) {
    uint32_t context = rows->config->context;
    if (rows->length > (int64_t)context)
        return ob_fail(error, OB_EUSAGE, "--length is %lld, the model's context is %u",
                       (long long)rows->length, context);
    *ret_length = rows->length > 0 ? (size_t)rows->length : context < 1024 ? context : 1024;
    return OB_OK;
}

enum ob_err ob_tool_open_rows(const struct ob_tool_rows *rows, struct ob_tokenizer **ret_tokenizer,
                              struct ob_corpus **ret_corpus, struct ob_error *error) {
    struct ob_corpus_options options = {.model = rows->model,
                                        .chat_template = rows->chat_template,
                                        .report = rows->report,
                                        .context = rows->context};
    enum ob_err failed = ob_tool_length(rows, &options.length_max, error);
    if (!failed)
        failed = ob_tokenizer_open(rows->model, ret_tokenizer, error);
    return failed ? failed : ob_corpus_open(rows->data, *ret_tokenizer, &options, ret_corpus, error);
}

enum ob_err ob_tool_evaluate(const struct ob_weight_source *source, const struct ob_corpus *corpus,
                             struct ob_pool *pool, size_t items, struct ob_task_score *ret_score,
                             struct ob_error *error) {
    size_t sequences = items * ob_corpus_item_sequences(corpus),
           tokens = items * ob_corpus_item_tokens(corpus);
    struct ob_forward *forward = NULL;
    struct ob_batch *batch = NULL;
    struct ob_task task = {0};
    struct ob_task_score score = {0};
    enum ob_err failed = ob_task_init(&task, sequences, error);
    if (!failed)
        failed = ob_forward_new(&source->model->config, tokens, sequences, pool, &forward, error);
    if (!failed)
        failed = ob_batch_new(sequences, tokens, &batch, error);
    for (size_t at = 0; !failed && at < ob_corpus_items(corpus);) {
        fill(corpus, &at, batch);
        failed = ob_task_add_score(&task, forward, source, batch, &score, error);
    }
    if (!failed)
        *ret_score = score;
    ob_batch_free(batch);
    ob_forward_free(forward);
    ob_task_done(&task);
    return failed;
}

double ob_tool_loss(const struct ob_task_score *score, const struct ob_corpus *corpus) {
    return ob_corpus_has_choices(corpus) ? score->group_loss / (double)score->groups
                                         : score->token_loss / (double)score->targets;
}

static void print_evaluation(const struct ob_task_score *e, const struct ob_corpus *corpus, bool json) {
    bool choices = ob_corpus_has_choices(corpus);
    double token_loss = e->token_loss / (double)e->targets;
    double loss = ob_tool_loss(e, corpus);
    double accuracy = choices ? (double)e->right / (double)e->groups : 0.0;
    if (json && choices)
        printf("{\"loss\":%.6f,\"accuracy\":%.6f,\"right\":%llu,\"rows\":%llu,\"token_loss\":%.6f,"
               "\"targets\":%llu,\"sequences\":%zu,\"skipped\":%zu}\n",
               loss, accuracy, (unsigned long long)e->right, (unsigned long long)e->groups, token_loss,
               (unsigned long long)e->targets, ob_corpus_sequences(corpus), ob_corpus_skipped(corpus));
    else if (json)
        printf("{\"loss\":%.6f,\"perplexity\":%.4f,\"targets\":%llu,\"sequences\":%zu,\"skipped\":%zu}\n",
               loss, exp(loss), (unsigned long long)e->targets, ob_corpus_sequences(corpus),
               ob_corpus_skipped(corpus));
    else if (choices)
        printf("loss %.4f nats a choice, accuracy %.2f %% (%llu of %llu rows; %zu rows skipped)\n", loss,
               100.0 * accuracy, (unsigned long long)e->right, (unsigned long long)e->groups,
               ob_corpus_skipped(corpus));
    else
        printf(
            "loss %.4f nats a token, perplexity %.2f, over %llu tokens of %zu sequences (%zu rows skipped)\n",
            loss, exp(loss), (unsigned long long)e->targets, ob_corpus_sequences(corpus),
            ob_corpus_skipped(corpus));
}

int ob_tool_eval(int argc, char **argv) {
    struct ob_tool_option o[] = {{.name = "model"},
                                 {.name = "data"},
                                 {.name = "length", .value = "0"},
                                 {.name = "batch", .value = "8"},
                                 {.name = "json", .is_switch = true},
                                 {.name = "chat-template"}};
    size_t count = 0;
    int64_t length = 0, batch = 0;
    struct ob_error error = {0};
    struct ob_model *model = NULL;
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_corpus *corpus = NULL;
    struct ob_pool *pool = NULL;
    struct ob_task_score evaluation = {0};
    if (!ob_tool_parse(argc, argv, o, 6, NULL, 0, &count))
        return OB_EXIT_USAGE;
    if (!o[0].value || !o[1].value)
        return ob_tool_usage("eval needs --model and --data");
    if (!ob_tool_integer(&o[2], 0, 1 << 20, &length) || !ob_tool_integer(&o[3], 1, 4096, &batch))
        return OB_EXIT_USAGE;
    enum ob_err failed = ob_pool_new(ob_processors(), &pool, &error);
    if (!failed)
        failed = ob_model_open(o[0].value, &model, &error);
    struct ob_tool_rows rows = {
        .model = o[0].value, .data = o[1].value, .chat_template = o[5].value, .length = length};
    if (!failed) {
        rows.config = &model->config;
        failed = ob_tool_open_rows(&rows, &tokenizer, &corpus, &error);
    }
    struct ob_weight_source source = {.model = model};
    if (!failed)
        failed = ob_tool_evaluate(&source, corpus, pool, (size_t)batch, &evaluation, &error);
    if (!failed)
        print_evaluation(&evaluation, corpus, o[4].value != NULL);
    ob_corpus_free(corpus);
    ob_tokenizer_free(tokenizer);
    ob_model_free(model);
    ob_pool_free(pool);
    return failed ? ob_tool_complain(&error) : OB_EXIT_DONE;
}

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
                          float *logits, struct ob_error *error) {
    struct ob_weight_source source = {.model = g->model};
    size_t context = batch->tokens_max;
    for (size_t i = 0; i < g->wanted; i++) {
        size_t from = g->count > context ? g->count - context : 0;
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
    enum ob_err failed = logits ? OB_OK : ob_fail(error, OB_ENOMEM, "out of memory");
    if (!failed)
        failed = ob_forward_new(&g->model->config, context, 1, pool, &forward, error);
    if (!failed)
        failed = ob_batch_new(1, context, &batch, error);
    if (!failed)
        failed = extend(g, forward, batch, logits, error);
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
    enum ob_err failed = ob_tokenizer_encode(g->tokenizer, prompt, strlen(prompt), &ids, &count, error);
    if (failed)
        return failed;
    struct ob_tokenizer_affixes affixes = ob_tokenizer_affixes(g->tokenizer);
    if (affixes.prefix_count + count == 0 && g->model->config.bos < 0)
        return ob_fail(error, OB_EUSAGE, "this model has no token to start from: give a --prompt");
    g->tokens = calloc(affixes.prefix_count + count + 1 + g->wanted, sizeof *g->tokens);
    if (!g->tokens) {
        free(ids);
        return ob_fail(error, OB_ENOMEM, "out of memory");
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
        failed = ob_chat_encode(chat, messages + first, 2 - first, true, &ids, error);
    if (!failed && !(g->tokens = calloc(ids.count + g->wanted, sizeof *g->tokens)))
        failed = ob_fail(error, OB_ENOMEM, "out of memory");
    if (!failed) {
        memcpy(g->tokens, ids.ids, ids.count * sizeof *ids.ids);
        g->count = g->shown_from = ids.count;
        g->chat_end = ob_chat_end(chat);
    }
    ob_chat_ids_done(&ids);
    ob_chat_free(chat);
    return failed;
}

int ob_tool_generate(int argc, char **argv) {
    struct ob_tool_option o[] = {{.name = "model"},
                                 {.name = "prompt", .value = ""},
                                 {.name = "tokens", .value = "64"},
                                 {.name = "temperature", .value = "0.8"},
                                 {.name = "seed", .value = "1"},
                                 {.name = "chat", .is_switch = true},
                                 {.name = "chat-template"},
                                 {.name = "system"}};
    size_t count = 0;
    int64_t tokens = 0, seed = 0;
    struct ob_error error = {0};
    struct ob_model *model = NULL;
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_pool *pool = NULL;
    struct generation g = {.chat_end = -1};
    if (!ob_tool_parse(argc, argv, o, sizeof o / sizeof *o, NULL, 0, &count))
        return OB_EXIT_USAGE;
    if (!o[0].value)
        return ob_tool_usage("generate needs --model");
    bool chats = o[5].value != NULL;
    if (!chats && (o[6].value || o[7].value))
        return ob_tool_usage("--chat-template and --system go with --chat");
    if (!ob_tool_integer(&o[2], 1, 1 << 20, &tokens) || !ob_tool_real(&o[3], 0, 100, &g.temperature) ||
        !ob_tool_integer(&o[4], 0, INT64_MAX, &seed))
        return OB_EXIT_USAGE;
    g.wanted = (size_t)tokens;
    g.random = (uint64_t)seed;
    enum ob_err failed = ob_pool_new(ob_processors(), &pool, &error);
    if (!failed)
        failed = ob_model_open(o[0].value, &model, &error);
    if (!failed)
        failed = ob_tokenizer_open(o[0].value, &tokenizer, &error);
    g.model = model;
    g.tokenizer = tokenizer;
    if (!failed)
        failed = chats ? start_chat(&g, o[0].value, o[6].value, o[7].value, o[1].value, &error)
                       : start_prompt(&g, o[1].value, &error);
    if (!failed)
        failed = generate(&g, pool, &error);
    free(g.tokens);
    ob_tokenizer_free(tokenizer);
    ob_model_free(model);
    ob_pool_free(pool);
    return failed ? ob_tool_complain(&error) : OB_EXIT_DONE;
}
