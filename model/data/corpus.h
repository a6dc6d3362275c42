/* corpus - training or evaluation rows from a JSON Lines file, tokenized once, and mini-batches drawn from
 * it.
 *
 * Each line is an object with `text`; with `prompt` and `completion`; with `prompt`, `choices` and `label`;
 * or with `messages` (model/chat/chat.h). Other keys are ignored. The special tokens that the tokenizer
 * puts before and after a text stand at the start and the end of a row. What each kind of row is
 * trained on, and how it is cut to `length_max` tokens, is in docs/data.md. Rows with choices do not mix with
 * others: their loss is another one. A row that has no target left is skipped and counted; blank lines are
 * passed over.
 *
 * An item is what a mini-batch is made of: a sequence, or all candidates of a row with choices.
 *
 * Errors:  OB_EFORMAT, OB_EUNSUPPORTED and OB_ETOOBIG name the file and the line; OB_ENOTFOUND; a file
 *          without a usable row.
 * Owns:    the token store.
 * Threads: read-only after load. */
#ifndef OB_MODEL_DATA_CORPUS_H
#define OB_MODEL_DATA_CORPUS_H

#include "base/pool.h"
#include "base/progress_callback.h"
#include "model/data/row_encoder.h"
#include "model/forward/batch.h"

struct ob_corpus_options {
    size_t length_max;      /* tokens of one sequence, at least 2 */
    uint32_t shard, shards; /* keep rows with row number mod shards = shard; shards 0 or 1: all */
    /* Rows with messages: the model that the tokenizer is of, and the format that the user names (NULL or "":
     * the model's own). Only looked at when there is such a row. */
    const char *model, *chat_template;
    uint32_t embedding_rows; /* of the model: a row with a token beyond them is refused; 0: not checked */
    struct ob_pool *pool;    /* shares the work; NULL: one thread */
    const char *cache; /* a file that keeps the tokens for the next start; NULL, or with `report`: none */
    const struct ob_progress_callback
        *progress; /* how far reading is, and whether it is to end (OB_ESTATE); NULL: nobody */
    /* Hears of each row, in the file's order and in the calling thread; with it, a bad row does not end the reading. NULL: nobody does. */
    void (*report)(void *context, const struct ob_row_report *report);
    void *context;
};

struct ob_corpus;

OB_MUST_USE enum ob_err ob_corpus_open(const char *path, const struct ob_tokenizer *tokenizer,
                                       const struct ob_corpus_options *options, struct ob_corpus **ret_corpus,
                                       struct ob_error *error);
void ob_corpus_free(struct ob_corpus *corpus);
size_t ob_corpus_items(const struct ob_corpus *corpus);
size_t ob_corpus_sequences(const struct ob_corpus *corpus);
size_t ob_corpus_skipped(const struct ob_corpus *corpus);
size_t ob_corpus_tokens(const struct ob_corpus *corpus);
size_t ob_corpus_targets(const struct ob_corpus *corpus); /* of ob_corpus_tokens */
/* Were the tokens those that an earlier start has kept? */
bool ob_corpus_is_cached(const struct ob_corpus *corpus);
/* Why they could not be kept, or a damaged cache was not used (and made anew); NULL: nothing is wrong. */
const char *ob_corpus_cache_problem(const struct ob_corpus *corpus);
bool ob_corpus_has_choices(const struct ob_corpus *corpus);
/* The largest item: its sequences and its tokens. A mini-batch of n items needs room for at most n times
 * both. */
size_t ob_corpus_item_sequences(const struct ob_corpus *corpus);
size_t ob_corpus_item_tokens(const struct ob_corpus *corpus);
/* Item number i into the batch; false when it does not fit. */
bool ob_corpus_add(const struct ob_corpus *corpus, size_t i, struct ob_batch *batch);
/* Adds up to `items` different ones for mini-batch number `draw` of a walk that visits every item once an epoch, in an
 * order that `seed` shuffles anew each epoch. Deterministic in (seed, draw, items). False: they do not all fit, and none
 * is added. */
bool ob_corpus_draw_more(const struct ob_corpus *corpus, uint64_t seed, uint64_t draw, size_t items,
                         struct ob_batch *batch);
/* Clears `batch` and draws up to `items` different ones for mini-batch number `draw` of a walk that visits
 * every item once an epoch, in an order that `seed` shuffles anew each epoch. Deterministic in (seed, draw,
 * items). */
void ob_corpus_draw(const struct ob_corpus *corpus, uint64_t seed, uint64_t draw, size_t items,
                    struct ob_batch *batch);

#endif
