/* manifest - one run's immutable description, read. Its bytes are what counts: run_id = BLAKE2b-256 of them,
 * so a manifest is copied as it is, never written again. docs/files.md has every key.
 *
 * Errors:  OB_EFORMAT, OB_ETOOBIG, OB_EUNSUPPORTED name the file and the key; OB_EMISMATCH when the model at
 *          hand is not the run's base.
 * Owns:    a manifest owns its arrays and its bytes; free accepts NULL. Read-only after it is read. */
#ifndef OB_RUN_MANIFEST_H
#define OB_RUN_MANIFEST_H

#include "base/limits.h"
#include "base/path.h"
#include "record/record.h"
#include "spsa/update.h"

#define OB_MANIFEST_FORMAT "onebyte-manifest-1"
#define OB_BASIS_SUFFIX    ".basis.safetensors"

struct ob_manifest_tensor {
    char name[OB_NAME_MAX];
    uint32_t dims;
    uint64_t shape[2];
    struct ob_spsa_tensor layout;
};

struct ob_manifest {
    char name[OB_NAME_MAX];
    struct ob_run_id run;
    struct ob_hash base_hash;
    struct ob_machine_id authority; /* whose certificates admit machines, until it is rotated */
    float epsilon;
    struct ob_spsa_rule rule; /* rates point into `rates` */
    uint64_t *rates;
    struct ob_record_bounds bounds;
    uint32_t lora_rank; /* 0: no adapters */
    double lora_alpha;
    bool has_basis;               /* the adapters' A is fixed, and is that of a file … */
    struct ob_hash basis;         /* … with this name (record/file_tree.h) … */
    char basis_path[OB_PATH_MAX]; /* … which lies beside the manifest: ob_basis_path of its name */
    size_t tensor_count;
    struct ob_manifest_tensor *tensors; /* the trainable ones, in canonical order, adapters last */
    char *bytes;                        /* the file as it is */
    size_t byte_count;
};

OB_MUST_USE enum ob_err ob_manifest_read(const char *path, struct ob_manifest **ret_manifest,
                                         struct ob_error *error);
OB_MUST_USE enum ob_err ob_manifest_parse(const char *bytes, size_t count, const char *name,
                                          struct ob_manifest **ret_manifest, struct ob_error *error);
/* Where the basis of the run is whose manifest, or delta, is `path`: RUN.json gives RUN.basis.safetensors. */
OB_MUST_USE enum ob_err ob_basis_path(const char *path, char ret_path[static OB_PATH_MAX],
                                      struct ob_error *error);
void ob_manifest_free(struct ob_manifest *manifest);

#endif
