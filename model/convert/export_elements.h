/* export_elements - a tensor's values, adapters merged, as a file keeps them. For export_*.c. */
#ifndef OB_MODEL_CONVERT_EXPORT_ELEMENTS_H
#define OB_MODEL_CONVERT_EXPORT_ELEMENTS_H

#include "base/file.h"
#include "model/families/weight_source.h"
#include "model/formats/dtype.h"

/* Elements [first, first + count) of a canonical tensor, in a plain type. */
void ob_export_elements(struct ob_output *output, const struct ob_weight_source *source, size_t tensor,
                        uint64_t first, uint64_t count, enum ob_dtype dtype);

#endif
