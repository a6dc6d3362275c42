/* blas - OpenBLAS picks its kernels when it is loaded, from the environment, and Debian's version falls back
 * to a slow generic one on processors that are newer than itself. This finds that out and starts the program
 * again with the core that fits, and without OpenBLAS's own threads: ours spread the products, idle ones
 * would only take signals that are meant for us. Source: DESIGN.md, "OpenBLAS trap". */
#ifndef OB_DAEMON_BLAS_H
#define OB_DAEMON_BLAS_H

/* The first statement of main. `wanted`: "auto", or an OpenBLAS core name, or "keep". When the loaded core is
 * not the one that this processor should have, sets OPENBLAS_CORETYPE and runs the program again (does not
 * return); where that is not possible the present core stays. */
void ob_blas_fix_core(char **argv, const char *wanted);
const char *ob_blas_core(void); /* the core in use */
void ob_blas_set_threads(unsigned threads);

#endif
