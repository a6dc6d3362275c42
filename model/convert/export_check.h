/* export_check - what an export wrote, read back from its files and compared with what it was to hold: every
 * weight, bit for bit, in the type that was asked for.
 *
 * Errors:  OB_EMISMATCH names the file and the tensor; those of opening what was written; OB_ENOMEM. */
#ifndef OB_MODEL_CONVERT_EXPORT_CHECK_H
#define OB_MODEL_CONVERT_EXPORT_CHECK_H

#include "model/convert/export.h"

/* The same source and options, after ob_model_export. */
OB_MUST_USE enum ob_err ob_export_check(const struct ob_weight_source *source,
                                        const struct ob_export_options *options, const char *folder,
                                        struct ob_error *error);

#endif
