/* pre_tokenizer_names - GGUF's names for the pre-tokenizers of the families, and what they are in a
 * tokenizer.json. */
#ifndef OB_MODEL_CONVERT_PRE_TOKENIZER_NAMES_H
#define OB_MODEL_CONVERT_PRE_TOKENIZER_NAMES_H

#include <stdbool.h>

struct ob_pre_name {
    const char *name;          /* tokenizer.ggml.pre */
    const char *pre_tokenizer; /* JSON */
    bool composes;             /* normalizer NFC */
    bool ignore_merges;
    bool begins; /* a text gets the beginning-of-sequence token when the file does not say */
};

/* Several rows may have one name's meaning; of those with the same pre_tokenizer, normalizer and
 * ignore_merges the first is the one to write. Ends with a row without a name. */
extern const struct ob_pre_name OB_PRE_NAMES[];

#endif
