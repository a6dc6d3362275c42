#include "spsa/replay.h"

#include <assert.h>
#include <stdlib.h>

#include "spsa/kernels/kernels.h"
#include "spsa/samples.h"

/* A piece is a work item; inside, 32 blocks at a time, what the keystream's kernel makes at once: 64 KiB of
 * weights and 128 KiB of keystream for a full group, which stay in the second-level cache. */
#define CHUNK_BLOCKS 32
#define KEYS_MIN     4 /* of which it is worth to make blocks together */

struct row {
    uint32_t tensor;
    int32_t steps[OB_SPSA_GROUP]; /* of the group's samples in that tensor */
};

struct replay {
    const struct ob_spsa_engine *engine;
    const struct ob_spsa_tensor *tensors;
    const struct ob_spsa_rule *rule;
    enum ob_spsa_way way;
    struct ob_spsa_group group;
    const struct ob_spsa_piece *pieces;
    size_t piece_count;
    size_t *row_of; /* of each piece */
    struct row *rows;
    size_t row_count;
};

/* Neighbours of one tensor share a row. */
static size_t list_rows(const struct ob_spsa_piece *pieces, size_t count, struct row *rows, size_t *row_of) {
    size_t row_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || pieces[i].leaf.tensor != pieces[i - 1].leaf.tensor) {
            if (rows)
                rows[row_count].tensor = pieces[i].leaf.tensor;
            row_count++;
        }
        if (row_of)
            row_of[i] = row_count - 1;
    }
    return row_count;
}

static void compute_steps(void *context, size_t index, unsigned thread) {
    (void)thread;
    struct replay *replay = context;
    struct row *row = &replay->rows[index];
    ob_spsa_group_steps(replay->engine->kernels, &replay->group, &replay->tensors[row->tensor], row->tensor,
                        row->steps);
    if (replay->way == OB_SPSA_UNAPPLY)
        for (size_t i = 0; i < replay->group.count; i++)
            row->steps[i] = -row->steps[i];
}

/* Samples whose step is not zero here: for others no keystream is needed. */
struct moving {
    size_t count;
    struct ob_spsa_key keys[OB_SPSA_GROUP];
    int32_t steps[OB_SPSA_GROUP];
};

static void list_moving(const struct ob_spsa_group *group, const int32_t *steps, struct moving *ret_moving) {
    ret_moving->count = 0;
    for (size_t i = 0; i < group->count; i++) {
        if (steps[i] == 0)
            continue;
        ret_moving->keys[ret_moving->count] = group->keys[i];
        ret_moving->steps[ret_moving->count++] = steps[i];
    }
}

/* Kernels make many blocks at once: of one key, or, where a tensor has few, of many keys. */
static void make_streams(const struct ob_spsa_kernels *kernels, const struct moving *moving, uint32_t tensor,
                         uint32_t first_block, size_t blocks, uint8_t *const *to) {
    const size_t count = moving->count;
    if (blocks < CHUNK_BLOCKS && count >= KEYS_MIN)
        kernels->keystreams(moving->keys, count, tensor, OB_SPSA_USE_DIRECTION, first_block, blocks, to);
    else
        for (size_t i = 0; i < count; i++)
            kernels->keystream(&moving->keys[i], tensor, first_block, blocks, to[i]);
}

static void replay_chunk(const struct replay *replay, const struct ob_spsa_piece *piece,
                         const struct moving *moving, size_t at, size_t count) {
    const struct ob_spsa_kernels *kernels = replay->engine->kernels;
    const enum ob_spsa_distribution distribution = replay->rule->distribution;
    uint8_t stream[OB_SPSA_GROUP][CHUNK_BLOCKS * OB_SPSA_BLOCK_BYTES + OB_SPSA_BITS_SLACK],
        *to[OB_SPSA_GROUP];
    size_t elements = ob_spsa_block_elements(distribution), blocks = (count + elements - 1) / elements;
    uint32_t change = 0;
    for (size_t i = 0; i < moving->count; i++)
        to[i] = stream[i];
    make_streams(kernels, moving, piece->leaf.tensor, (uint32_t)((piece->leaf.first + at) / elements), blocks,
                 to);
    for (size_t i = 0; piece->sum && i < moving->count; i++)
        change -= (uint32_t)moving->steps[i] *
                  (uint32_t)ob_spsa_direction_sum(kernels, distribution, stream[i], count);
    (distribution == OB_SPSA_GAUSSIAN ? kernels->accumulate_gaussian : kernels->accumulate)(
        piece->values + at, blocks, (const uint8_t *const *)to, moving->steps, moving->count);
    if (piece->sum)
        *piece->sum += change;
}

static void replay_piece(void *context, size_t index, unsigned thread) {
    (void)thread;
    const struct replay *replay = context;
    const struct ob_spsa_piece *piece = &replay->pieces[index];
    struct moving moving;
    list_moving(&replay->group, replay->rows[replay->row_of[index]].steps, &moving);
    const size_t chunk = CHUNK_BLOCKS * ob_spsa_block_elements(replay->rule->distribution);
    for (size_t at = 0; moving.count > 0 && at < piece->leaf.count; at += chunk) {
        size_t left = piece->leaf.count - at;
        replay_chunk(replay, piece, &moving, at, left < chunk ? left : chunk);
    }
}

enum ob_err ob_spsa_replay_pieces(const struct ob_spsa_engine *engine, const struct ob_spsa_tensor *tensors,
                                  const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates,
                                  size_t count, enum ob_spsa_way way, const struct ob_spsa_piece *pieces,
                                  size_t piece_count, struct ob_error *error) {
    struct replay *replay = calloc(1, sizeof *replay);
    if (!replay)
        return ob_fail(error, OB_ENOMEM, "replay: out of memory");
    *replay = (struct replay){.engine = engine,
                              .tensors = tensors,
                              .rule = rule,
                              .way = way,
                              .pieces = pieces,
                              .piece_count = piece_count,
                              .row_count = list_rows(pieces, piece_count, NULL, NULL)};
    assert(piece_count > 0);
    replay->row_of = calloc(piece_count, sizeof *replay->row_of);
    replay->rows = calloc(replay->row_count, sizeof *replay->rows);
    enum ob_err failed = OB_OK;
    if (!replay->row_of || !replay->rows) {
        failed = ob_fail(error, OB_ENOMEM, "replay: out of memory");
    } else {
        list_rows(pieces, piece_count, replay->rows, replay->row_of);
        struct ob_spsa_walk walk = {0};
        while (ob_spsa_next_group(rule, updates, count, &walk, &replay->group)) {
            ob_pool_run(engine->pool, replay->row_count, compute_steps, replay);
            ob_pool_run(engine->pool, piece_count, replay_piece, replay);
        }
    }
    free(replay->row_of);
    free(replay->rows);
    free(replay);
    return failed;
}

/* All of the weights, where they are. */
static enum ob_err run(const struct ob_spsa_engine *engine, struct ob_spsa_weights *weights,
                       const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates, size_t count,
                       enum ob_spsa_way way, struct ob_error *error) {
    size_t leaves = ob_spsa_leaf_count(weights->tensors, weights->count), at = 0;
    struct ob_spsa_piece *pieces = calloc(leaves, sizeof *pieces);
    if (!pieces)
        return ob_fail(error, OB_ENOMEM, "replay: out of memory");
    struct ob_spsa_leaf leaf = ob_spsa_leaf_first(weights->tensors);
    do {
        pieces[at] = (struct ob_spsa_piece){.leaf = leaf,
                                            .values = weights->values[leaf.tensor] + leaf.first,
                                            .sum = weights->sums ? &weights->sums[at] : NULL};
        at++;
    } while (ob_spsa_leaf_next(weights->tensors, weights->count, &leaf, &leaf));
    assert(at == leaves);
    enum ob_err failed =
        ob_spsa_replay_pieces(engine, weights->tensors, rule, updates, count, way, pieces, leaves, error);
    free(pieces);
    return failed;
}

enum ob_err ob_spsa_apply(const struct ob_spsa_engine *engine, struct ob_spsa_weights *weights,
                          const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates, size_t count,
                          struct ob_error *error) {
    return run(engine, weights, rule, updates, count, OB_SPSA_APPLY, error);
}

enum ob_err ob_spsa_unapply(const struct ob_spsa_engine *engine, struct ob_spsa_weights *weights,
                            const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates,
                            size_t count, struct ob_error *error) {
    return run(engine, weights, rule, updates, count, OB_SPSA_UNAPPLY, error);
}
