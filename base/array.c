#include "base/array.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool ob_array_reserve(void *array, size_t used, size_t more, size_t item_bytes, size_t *max) {
    assert(used <= *max && item_bytes > 0);
    if (more <= *max - used)
        return true;
    if (more > SIZE_MAX / 4 || used > SIZE_MAX / 4)
        return false;
    size_t wanted = 2 * (used + more) + 64;
    if (wanted > SIZE_MAX / item_bytes)
        return false;
    void *place;
    memcpy(&place, array, sizeof place); /* whatever it points at */
    void *larger = realloc(place, wanted * item_bytes);
    if (larger == NULL)
        return false;
    memcpy(array, &larger, sizeof larger);
    *max = wanted;
    return true;
}
