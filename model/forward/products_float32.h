/* products_float32 - float32 terms and sums, by OpenBLAS. */
#ifndef OB_MODEL_FORWARD_PRODUCTS_FLOAT32_H
#define OB_MODEL_FORWARD_PRODUCTS_FLOAT32_H

#include "model/forward/product_way.h"

extern const struct ob_products ob_products_float32;

#endif
