/* array - an array that grows.
 * Errors:  false: no memory, or a size beyond SIZE_MAX; the array is as it was.
 * Owns:    the caller's array. */
#ifndef OB_BASE_ARRAY_H
#define OB_BASE_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Makes room for `more` further items of item_bytes each behind the first `used` of *array, which holds *max
 * of them; `array` is the address of a malloc'ed (or NULL) pointer. */
OB_MUST_USE bool ob_array_reserve(void *array, size_t used, size_t more, size_t item_bytes, size_t *max);

#endif
