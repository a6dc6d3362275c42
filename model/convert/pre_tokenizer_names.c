#include "model/convert/pre_tokenizer_names.h"

#include <stddef.h>

#define GPT2 "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true}"
#define DIGITS_THEN_GPT2                                                                                     \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":true}," GPT2 "]}"
/* Of a pattern of the cl100k kind, which differ in how many digits stand together. */
#define SPLIT_DIGITS(digits)                                                                                 \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"                  \
    "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" digits                         \
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},"               \
    "\"behavior\":\"Isolated\",\"invert\":false},"                                                           \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":false}]}"

#define SPLIT(regex)                                                                                         \
    "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex "\"},\"behavior\":\"Isolated\",\"invert\":false},"
/* What llama.cpp takes for files that name none: one pattern after the other. */
#define ONE_AFTER_THE_OTHER                                                                                  \
    "{\"type\":\"Sequence\",\"pretokenizers\":[" SPLIT("[\\\\p{P}\\\\$\\\\+<=>\\\\^~\\\\|]+")                \
        SPLIT("'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)") \
            SPLIT("\\\\p{N}+") SPLIT("[0-9][0-9][0-9]") "{\"type\":\"ByteLevel\",\"add_prefix_space\":"      \
                                                        "false,\"trim_offsets\":true,\"use_regex\":false}]}"

const struct ob_pre_name OB_PRE_NAMES[] = {
    {.name = "gpt-2", .pre_tokenizer = GPT2},
    {.name = "olmo", .pre_tokenizer = GPT2, .composes = true}, /* GPT-NeoX as well */
    {.name = "smollm", .pre_tokenizer = DIGITS_THEN_GPT2},
    {.name = "refact", .pre_tokenizer = DIGITS_THEN_GPT2}, /* Granite */
    {.name = "starcoder", .pre_tokenizer = DIGITS_THEN_GPT2},
    {.name = "stablelm2", .pre_tokenizer = SPLIT_DIGITS("\\\\p{N}")},
    {.name = "dbrx", .pre_tokenizer = SPLIT_DIGITS("\\\\p{N}{1,3}")}, /* OLMo 2 and Phi-4 */
    {.name = "smaug-bpe", .pre_tokenizer = SPLIT_DIGITS("\\\\p{N}{1,3}")},
    {.name = "default", .pre_tokenizer = ONE_AFTER_THE_OTHER},
    {.name = "qwen2", .pre_tokenizer = SPLIT_DIGITS("\\\\p{N}"), .composes = true},
    {.name = "llama-bpe",
     .pre_tokenizer = SPLIT_DIGITS("\\\\p{N}{1,3}"),
     .ignore_merges = true,
     .begins = true},
    {.name = "llama3", .pre_tokenizer = SPLIT_DIGITS("\\\\p{N}{1,3}"), .ignore_merges = true, .begins = true},
    {.name = "llama-v3",
     .pre_tokenizer = SPLIT_DIGITS("\\\\p{N}{1,3}"),
     .ignore_merges = true,
     .begins = true},
    {.name = NULL},
};
