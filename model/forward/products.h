/* products - the ways to multiply activations with weights (product_way.h) that this build has.
 *
 * Adding one: a file with its table, and a row in products.c.
 * Errors:  OB_EUNSUPPORTED (this processor or this build cannot, by name), OB_EUSAGE. */
#ifndef OB_MODEL_FORWARD_PRODUCTS_H
#define OB_MODEL_FORWARD_PRODUCTS_H

#include "model/forward/product_way.h"

/* Way number `index`, NULL: no more. 0 is float32, which is always there. */
const struct ob_products *ob_products_at(size_t index);
/* Can it be used here? ret_why (may be NULL): what is missing, worded for an error. */
bool ob_products_available(const struct ob_products *way, const char **ret_why);
/* By name; OB_EUSAGE lists the names, OB_EUNSUPPORTED says what this machine lacks. "bfloat16" is the first
 * way with bfloat16 terms that is available. */
OB_MUST_USE enum ob_err ob_products_find(const char *name, const struct ob_products **ret_way,
                                         struct ob_error *error);

#endif
