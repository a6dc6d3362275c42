/* corpus - training or evaluation rows from a JSON Lines file, tokenized once, and mini-batches drawn from
 * it.
 *
 * Each line is an object with `text`, or with `prompt` and `completion` (other keys are ignored). Targets:
 * all tokens of a text after the first; the completion's tokens. Prompt and completion are encoded apart and
 * joined. Rows longer than `length_max`: a text is cut into consecutive windows of length_max tokens (a rest
 * of fewer than 2 tokens is dropped), a prompt loses tokens at its front, a completion longer than
 * length_max - 1 is cut at its end. Blank lines are skipped; a row with no target is skipped and counted.
 *
 * Errors:  OB_EFORMAT and OB_ETOOBIG name the file and the line; OB_ENOTFOUND; a file without a usable row.
 * Owns:    the token store. Threads: read-only after load. */
#ifndef OB_MODEL_CORPUS_H
#define OB_MODEL_CORPUS_H

#include "model/batch.h"
#include "model/tokenizer.h"

struct ob_corpus_options {
    size_t length_max;      /* tokens of one sequence, at least 2 */
    uint32_t shard, shards; /* keep rows with row number mod shards = shard; shards 0 or 1: all */
};

struct ob_corpus;

OB_MUST_USE enum ob_err ob_corpus_open(const char *path, const struct ob_tokenizer *tokenizer,
                                       const struct ob_corpus_options *options, struct ob_corpus **ret_corpus,
                                       struct ob_error *error);
void ob_corpus_free(struct ob_corpus *corpus);
size_t ob_corpus_sequences(const struct ob_corpus *corpus);
size_t ob_corpus_skipped(const struct ob_corpus *corpus);
size_t ob_corpus_tokens(const struct ob_corpus *corpus);
/* Sequence number i into the batch; false when it does not fit. */
bool ob_corpus_add(const struct ob_corpus *corpus, size_t i, struct ob_batch *batch);
/* Clears `batch` and draws up to `sequences` different ones for mini-batch number `draw` of a walk that
 * visits every sequence once an epoch, in an order that `seed` shuffles anew each epoch. Deterministic in
 * (seed, draw, sequences). */
void ob_corpus_draw(const struct ob_corpus *corpus, uint64_t seed, uint64_t draw, size_t sequences,
                    struct ob_batch *batch);

#endif
