/* export_options - how a model is exported (model/convert/export.h), for what writes each format. */
#ifndef OB_MODEL_CONVERT_EXPORT_OPTIONS_H
#define OB_MODEL_CONVERT_EXPORT_OPTIONS_H

#include "base/progress_callback.h"
#include "model/formats/dtype.h"

enum ob_export_format { OB_EXPORT_SAFETENSORS, OB_EXPORT_GGUF, OB_EXPORT_PEFT };

struct ob_export_options {
    enum ob_export_format format;
    enum ob_dtype dtype; /* a plain one */
    const char *card;    /* text of README.md; NULL: none */
    const struct ob_progress_callback
        *progress; /* bytes of the weights' file, written and read back; NULL: nobody */
};

#endif
