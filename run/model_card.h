/* card - the model card of an export: which run, at which frontier, with which digests and parameters.
 * Errors:  OB_ENOMEM.
 * Owns:    the text of ob_card_text is malloc'ed, the caller frees it. */
#ifndef OB_RUN_MODEL_CARD_H
#define OB_RUN_MODEL_CARD_H

#include "model/convert/export.h"
#include "run/manifest.h"

#define OB_CARD_WHOLE        UINT32_MAX
#define OB_CARD_MACHINES_MAX 64 /* listed one by one; of the others the number */

#define OB_CARD_CURVE "curve.svg"

struct ob_card_machine {
    struct ob_machine_id id;
    uint64_t records, next;
    struct ob_hash head;
};

struct ob_card {
    const struct ob_manifest *manifest;
    struct ob_hash weights_digest;
    const char *base; /* path of the base; its last part is named */
    struct ob_export_options options;
    uint32_t below; /* only records of earlier rounds, or OB_CARD_WHOLE; 0 as well: all of them */
    const char
        *curve; /* the run's curves as SVG, which stands beside the card as OB_CARD_CURVE; NULL: none */
    size_t machine_count, listed;
    struct ob_card_machine machines[OB_CARD_MACHINES_MAX];
    uint64_t samples;
};

/* An ob_store_record_fn: adds a record to the frontier of the card that is the context. */
enum ob_err ob_card_see(void *card, const struct ob_record *record, struct ob_error *error);
OB_MUST_USE enum ob_err ob_card_text(const struct ob_card *card, char **ret_text, struct ob_error *error);

#endif
