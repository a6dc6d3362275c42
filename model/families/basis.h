/* basis - the fixed A of a run's adapters: for each adapted matrix the directions of its inputs, as integers times a
 * power of two. Only B is trained (model/families/adapter.h).
 *
 * A safetensors file (conventionally RUN.basis.safetensors), at most OB_BASIS_BYTES_MAX:
 *   tensors        one for each adapted matrix X.weight: X.lora_A.weight, I32, shape (rank, in); |m| <= 2^24
 *   __metadata__   text for text:
 *     format             "onebyte-basis-1"
 *     base_hash          64 hexadecimal digits, of the base model that it was made for
 *     rule               how its directions were chosen and scaled (OB_BASIS_RULES)
 *     rank               1 … OB_ADAPTER_RANK_MAX
 *     calibration        64 hexadecimal digits: BLAKE2b-256 of the calibration rows' tokens
 *     calibration_rows   their number
 *     exponent.NAME      f of tensor NAME, -64 … 64: an element is m · 2^-f
 * |m| <= 2^24, so an element is exact in float32. Nothing else may stand in it.
 *
 * Errors:  OB_ENOTFOUND, OB_EREFUSED, OB_EIO; OB_EFORMAT, OB_EUNSUPPORTED, OB_ETOOBIG: name the file and what is wrong.
 * Owns:    the mapped file.
 * Threads: read-only after open. */
#ifndef OB_MODEL_FAMILIES_BASIS_H
#define OB_MODEL_FAMILIES_BASIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ids.h"
#include "base/limits.h"

#define OB_BASIS_FORMAT        "onebyte-basis-1"
#define OB_BASIS_MAGNITUDE_MAX (1 << 24)
#define OB_BASIS_EXPONENT_MAX  64 /* in magnitude */

enum ob_basis_rule {
    OB_BASIS_ORTHONORMAL, /* principal directions of the inputs, of length one */
    OB_BASIS_UNIT,    /* no longer made: each divided by the root mean square of the inputs' projections */
    OB_BASIS_CENTRED, /* no longer made: those of the inputs less their mean */
    OB_BASIS_TAMED,   /* those of the inputs without giants, of length one */
    OB_BASIS_RULE_COUNT
};
extern const char *const OB_BASIS_RULES[OB_BASIS_RULE_COUNT + 1]; /* their names; then NULL */

struct ob_basis_facts {
    struct ob_hash base_hash, calibration;
    uint64_t calibration_rows;
    enum ob_basis_rule rule;
    uint32_t rank;
};

struct ob_basis;

OB_MUST_USE enum ob_err ob_basis_open(const char *path, struct ob_basis **ret_basis, struct ob_error *error);
void ob_basis_free(struct ob_basis *basis);
const struct ob_basis_facts *ob_basis_facts(const struct ob_basis *basis);
/* The whole file, as it lies on the disk. */
const uint8_t *ob_basis_bytes(const struct ob_basis *basis, size_t *ret_bytes);
size_t ob_basis_count(const struct ob_basis *basis);
/* The number of a tensor and how many inputs it has; -1: there is none of that name. */
int64_t ob_basis_find(const struct ob_basis *basis, const char *name, uint64_t *ret_in);
/* Elements [first, first + count) of a tensor. */
void ob_basis_read(const struct ob_basis *basis, size_t tensor, uint64_t first, size_t count,
                   float *ret_values);

/* ---- writing ---- */

struct ob_basis_tensor {
    char name[OB_NAME_MAX];
    uint64_t in;
    double *values; /* (rank, in) */
};
/* Rounds each tensor to integers with the largest exponent that fits. The file must not exist.
 * Errors: OB_EBUSY, OB_EIO, OB_EFULL, OB_ENOMEM; OB_ENOTFINITE names the tensor. */
OB_MUST_USE enum ob_err ob_basis_write(const char *path, const struct ob_basis_facts *facts,
                                       const struct ob_basis_tensor *tensors, size_t count,
                                       struct ob_error *error);

#endif
