#include "spsa/samples.h"

#include "base/cursor.h"
#include "spsa/kernels/kernels.h"

static bool counts(const struct ob_spsa_rule *rule, uint8_t byte) {
    int c = byte & 0x7f;
    return c != 0 && c <= rule->code.code_max;
}

bool ob_spsa_next_group(const struct ob_spsa_rule *rule, const struct ob_spsa_update *updates, size_t count,
                        struct ob_spsa_walk *walk, struct ob_spsa_group *ret_group) {
    ret_group->count = 0;
    for (; walk->update < count; walk->update++, walk->byte = 0) {
        const struct ob_spsa_update *update = &updates[walk->update];
        for (; walk->byte < update->n; walk->byte++) {
            if (!counts(rule, update->bytes[walk->byte]))
                continue;
            if (ret_group->count == OB_SPSA_GROUP)
                return true;
            size_t i = ret_group->count++;
            struct ob_sample sample = {update->first.index + walk->byte};
            ret_group->keys[i] = ob_spsa_direction_key(&rule->run, &update->machine, sample);
            ret_group->coefficients[i] = ob_spsa_coefficient(rule, update, walk->byte);
        }
    }
    return ret_group->count > 0;
}

/* Of Rademacher elements: as many as there are, less two for each set bit. */
int64_t ob_spsa_direction_sum(const struct ob_spsa_kernels *kernels, enum ob_spsa_distribution distribution,
                              const uint8_t *stream, size_t count) {
    if (distribution == OB_SPSA_GAUSSIAN)
        return kernels->sum_gaussian(stream, count);
    size_t set = kernels->count_bits(stream, count / 8);
    if (count % 8)
        set += (size_t)__builtin_popcount(stream[count / 8] & ((1u << (count % 8)) - 1u));
    return (int64_t)count - 2 * (int64_t)set;
}

void ob_spsa_group_steps(const struct ob_spsa_kernels *kernels, const struct ob_spsa_group *group,
                         const struct ob_spsa_tensor *tensor, uint32_t tensor_index,
                         int32_t ret_steps[OB_SPSA_GROUP]) {
    uint8_t blocks[OB_SPSA_GROUP][OB_SPSA_BLOCK_BYTES], *to[OB_SPSA_GROUP];
    for (size_t i = 0; i < group->count; i++)
        to[i] = blocks[i];
    kernels->keystreams(group->keys, group->count, tensor_index, OB_SPSA_USE_STEP, 0, 1, to);
    for (size_t i = 0; i < group->count; i++)
        ret_steps[i] = ob_spsa_step_in(&group->coefficients[i], tensor, ob_load_u64(blocks[i]));
}
