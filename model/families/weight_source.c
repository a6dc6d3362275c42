#include "model/families/weight_source.h"

#include <assert.h>
#include <string.h>

void ob_source_read(const struct ob_weight_source *source, size_t tensor, uint64_t first, size_t count,
                    float *const ret_lanes[2]) {
    unsigned lanes = ob_source_lanes(source);
    int64_t trained = -1;
    if (source->weights)
        trained = source->trainable ? source->trainable[tensor] : (int64_t)tensor;
    if (trained < 0) {
        ob_model_read(source->model, tensor, first, count, ret_lanes[0]);
        if (lanes == 2)
            memcpy(ret_lanes[1], ret_lanes[0], count * sizeof(float));
        return;
    }
    if (lanes == 2)
        ob_spsa_weights_read_pair(source->engine, source->weights, source->key, source->epsilon,
                                  (uint32_t)trained, first, count, ret_lanes[0], ret_lanes[1]);
    else
        ob_spsa_weights_read(source->engine, source->weights, (uint32_t)trained, first, count, ret_lanes[0]);
}
