/* fixture - a checkpoint of tests/parity/ with what transformers computed with it, and the integer weights of
 * it. For the tests of parity and of export. */
#ifndef OB_TESTS_PARITY_FIXTURE_H
#define OB_TESTS_PARITY_FIXTURE_H

#include "tests/unit/cmocka_all.h"

#include <jansson.h>

#include "model/forward/forward.h"

struct loaded {
    struct ob_model *model;
    json_t *expected;
    struct ob_forward *forward;
    struct ob_batch *batch; /* the expected sequences */
    struct ob_pool *pool;
};

#define NAMES_MAX 128
struct names {
    size_t count;
    char list[NAMES_MAX][64];
};

/* The random checkpoints that make_logits.py wrote. */
struct names checkpoints(void);
void folder_of(const char *name, char folder[512], char expected[600]);
/* Those of them that make_gguf.py wrote as GGUF files too. */
struct names gguf_files(void);
void gguf_of(const char *name, char file[512]);

void load(struct loaded *l, const char *model, const char *expected, unsigned threads);
void unload(struct loaded *l);

/* Losses and last logits are the expected ones.
 *
 * Tolerance: 1e-4 of the largest logit of a position (at least 1e-4), and 1e-5 of a loss: both sides compute
 * in float32 with sums in another order, which moves a logit by a few times 1e-6 of the terms that it sums; a
 * wrong formula (a norm's epsilon, a rotation, a head's grouping) moves it by far more. */
void compare_losses(struct loaded *l, const struct ob_weight_source *source);
void compare_logits(struct loaded *l, const struct ob_weight_source *source);
/* These models fit one tile each; large ones do not. Tiles of a few rows walk through every seam. */
void shrink_tiles(struct ob_forward *forward);
/* … so that adapters of rank 3 of two or three views fit, and not of more. */
void few_at_once(struct ob_forward *forward);
/* All of that, with one thread and with two. */
void compare(const char *model, const char *expected);

/* Every tensor as integers, with exponent 26 and three different scales. The caller frees it. */
struct ob_spsa_weights *weights_of(const struct ob_model *model);
/* Moves weights by hand as one lane of epsilon 2^-7 sees them. */
void move(struct ob_spsa_weights *moved, const struct ob_spsa_weights *weights, const struct ob_spsa_key *key,
          bool plus);

#endif
