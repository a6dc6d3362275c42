/* products_onednn - bfloat16 terms and float32 sums by oneDNN, which takes AMX, AVX512_BF16 or AVX-512,
 * whichever the processor has, and weights in an order of its own choice.
 *
 * It runs in our threads, on one thread each. DNNL_MAX_CPU_ISA forces a path. Where the processor has no
 * instructions for bfloat16 the library emulates them slowly; the measurement (choose.h) rules that out.
 * Source: oneDNN 2.6, C interface. */
#ifndef OB_MODEL_FORWARD_PRODUCTS_ONEDNN_H
#define OB_MODEL_FORWARD_PRODUCTS_ONEDNN_H

#include "model/forward/product_way.h"

#if defined(OB_HAVE_ONEDNN)
extern const struct ob_products ob_products_onednn;
#endif

#endif
