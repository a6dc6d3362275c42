/* in_use - which way to multiply a forward pass takes, and those that it left and may return to. Private to
 * model/forward/: forward.h has what others call.
 *
 * Errors:  OB_EUNSUPPORTED names a way that this processor cannot run; OB_ENOMEM.
 * Threads: one call at a time for a forward. */
#ifndef OB_MODEL_FORWARD_IN_USE_H
#define OB_MODEL_FORWARD_IN_USE_H

#include "model/forward/pass.h"

/* As ob_forward_use and ob_forward_keep_ways say. */
OB_MUST_USE enum ob_err ob_in_use_take(struct ob_forward *forward, const struct ob_products *products,
                                       struct ob_error *error);
void ob_in_use_keep(struct ob_forward *forward, bool keep);
/* Frees the way in use and those set aside; float32 is in use then. */
void ob_in_use_close_all(struct ob_forward *forward);
/* Frozen weights must be packed anew, of all ways. */
void ob_in_use_drop_frozen(struct ob_forward *forward);

#endif
