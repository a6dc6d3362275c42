/* targets - a function that is built for several instruction sets and chosen when the program is loaded. */
#ifndef OB_MODEL_TARGETS_H
#define OB_MODEL_TARGETS_H

/* Function multiversioning needs a loader with indirect functions; sanitizers start too late for those. */
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_ADDRESS__) &&                       \
    !defined(__SANITIZE_THREAD__) && !defined(__clang__)
#define OB_MANY_TARGETS __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define OB_MANY_TARGETS
#endif

#endif
