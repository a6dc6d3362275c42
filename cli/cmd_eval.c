#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "cli/base.h"
#include "cli/command.h"
#include "cli/evaluate.h"
#include "model/convert/open_model.h"
#include "model/formats/json_value.h"
#include "run/replica.h"

struct arguments {
    const char *model, *data, *chat_template;
    int64_t length, batch;
    bool json;
};

static const struct ob_option OPTIONS[] = {
    OB_OPTION_MODEL(struct arguments, "model to evaluate"),
    {"data", "FILE", "held-out rows, JSON Lines", OB_ARGUMENT(struct arguments, data), .required = true},
    OB_OPTION_LENGTH(struct arguments),
    OB_OPTION_BATCH(struct arguments),
    OB_OPTION_CHAT_TEMPLATE(struct arguments),
    OB_OPTION_JSON(struct arguments),
};

struct evaluation {
    struct ob_task_score score;
    double loss, token_loss, accuracy;
    bool choices;
    size_t sequences, skipped;
};

static int print_json(const struct evaluation *e) {
    json_t *root = json_object();
    const struct ob_task_score *s = &e->score;
    bool good = ob_json_set(root, "loss", ob_json_real(e->loss));
    if (e->choices)
        good = ob_json_set(root, "accuracy", ob_json_real(e->accuracy)) &&
               ob_json_set(root, "right", json_integer((json_int_t)s->right)) &&
               ob_json_set(root, "rows", json_integer((json_int_t)s->groups)) &&
               ob_json_set(root, "token_loss", ob_json_real(e->token_loss)) && good;
    else
        good = ob_json_set(root, "perplexity", ob_json_real(exp(e->loss))) && good;
    good = ob_json_set(root, "targets", json_integer((json_int_t)s->targets)) &&
           ob_json_set(root, "sequences", json_integer((json_int_t)e->sequences)) &&
           ob_json_set(root, "skipped", json_integer((json_int_t)e->skipped)) && good;
    return ob_cli_print_json(root, good);
}

static void print_text(const struct evaluation *e) {
    const struct ob_task_score *s = &e->score;
    if (e->choices)
        printf("loss %.4f nats per choice, accuracy %.2f %% (%" PRIu64 " of %" PRIu64
               " rows; %zu row%s skipped)\n",
               e->loss, 100.0 * e->accuracy, s->right, s->groups, e->skipped, e->skipped == 1 ? "" : "s");
    else
        printf("loss %.4f nats per token, perplexity %.2f, over %" PRIu64
               " tokens of %zu sequence%s (%zu row%s skipped)\n",
               e->loss, exp(e->loss), s->targets, e->sequences, e->sequences == 1 ? "" : "s", e->skipped,
               e->skipped == 1 ? "" : "s");
}

static enum ob_err report(const struct arguments *a, const struct ob_task_score *score,
                          const struct ob_corpus *corpus, struct ob_error *error) {
    struct evaluation e = {.score = *score,
                           .loss = ob_cli_loss(score, corpus),
                           .token_loss = score->token_loss / (double)score->targets,
                           .accuracy = (double)score->right / (double)score->groups,
                           .choices = ob_corpus_has_choices(corpus),
                           .sequences = ob_corpus_sequences(corpus),
                           .skipped = ob_corpus_skipped(corpus)};
    if (a->json && print_json(&e) != OB_EXIT_DONE)
        return ob_fail(error, OB_ENOMEM, "eval: out of memory");
    if (!a->json && isfinite(e.loss))
        print_text(&e);
    return isfinite(e.loss) ? OB_OK
                            : ob_fail(error, OB_ENOTFINITE,
                                      "%s: the loss on %s is not finite: the model contains weights that are "
                                      "not numbers, or its training diverged",
                                      a->model, a->data);
}

static int eval(const void *arguments) {
    char path[OB_PATH_MAX];
    struct arguments given = *(const struct arguments *)arguments;
    given.model = ob_cli_model_file(given.model, path);
    const struct arguments *a = &given;
    struct ob_error error = {0};
    struct ob_model *model = NULL;
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_corpus *corpus = NULL;
    struct ob_pool *pool = NULL;
    struct ob_task_score score = {0};
    struct ob_cli_rows rows = {
        .model = a->model, .data = a->data, .chat_template = a->chat_template, .length = a->length};
    enum ob_err failed = ob_pool_new(ob_processors(), &pool, &error);
    if (!failed)
        failed = ob_model_open(a->model, &model, &error);
    if (!failed) {
        rows.config = &model->config;
        failed = ob_cli_open_rows(&rows, &tokenizer, &corpus, &error);
    }
    struct ob_weight_source source = {.model = model};
    struct ob_progress progress = {0};
    if (!failed) {
        ob_progress_start(&progress, "evaluating", "rows", ob_corpus_items(corpus));
        failed = ob_cli_evaluate(&source, corpus, pool, (size_t)a->batch, &progress, 0, &score, &error);
    }
    ob_progress_end(&progress);
    if (!failed)
        failed = report(a, &score, corpus, &error);
    ob_corpus_free(corpus);
    ob_tokenizer_free(tokenizer);
    ob_model_free(model);
    ob_pool_free(pool);
    return failed ? ob_cli_fail(&error) : OB_EXIT_DONE;
}

const struct ob_command OB_COMMAND_EVAL = {
    .name = "eval",
    .summary = "measure a model's loss, and perplexity or accuracy, on held-out rows",
    .details = "A loss that is not finite is an error (exit code 1), with null in the JSON.",
    OB_OPTIONS(OPTIONS),
    .arguments_bytes = sizeof(struct arguments),
    .needs_blas = true,
    .run = eval,
};
