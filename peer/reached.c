#include "peer/reached.h"

#include <stdlib.h>

static int descending(const void *a, const void *b) {
    uint32_t one = *(const uint32_t *)a, other = *(const uint32_t *)b;
    return (one < other) - (one > other);
}

bool ob_reached_by(uint32_t *rounds, size_t count, size_t need, uint32_t *ret_round) {
    if (need == 0 || count < need)
        return false;
    qsort(rounds, count, sizeof rounds[0], descending);
    *ret_round = rounds[need - 1];
    return true;
}

size_t ob_reached_majority(size_t live) {
    size_t need = live / 2 + 1;
    return need < 2 ? 2 : need;
}

size_t ob_reached_half(size_t live) {
    size_t need = (live + 1) / 2;
    return need < 1 ? 1 : need;
}
