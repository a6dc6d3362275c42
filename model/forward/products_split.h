/* products_split - float32-like products on processors that multiply bfloat16: a value is the sum of two bfloat16
 * numbers (its rounding, and the rounding of what is left), and a product of two values three products, large ·
 * large, large · small and small · large. Sums are float32.
 *
 * What is left out is at most 2^-15 of a product of two values; with one bfloat16 number it is 2^-7. It takes three
 * times the products of the way with one number, which it is made of: the first of products.c that opens here.
 * Source:  Henry, Tang and Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For
 *          Higher-Precision Computations" (2019). */
#ifndef OB_MODEL_FORWARD_PRODUCTS_SPLIT_H
#define OB_MODEL_FORWARD_PRODUCTS_SPLIT_H

#include "model/forward/product_way.h"

#if defined(__x86_64__)
extern const struct ob_products ob_products_split;
#endif

#endif
