#include "model/chat/formats.h"

#include <string.h>

#define T(text)  "\1" text "\1"
#define BOS      "\2"
#define EOS      "\3"
#define IM(role) T("<|im_start|>") role "\n"
#define IM_END   T("<|im_end|>") "\n"
#define CHATML_TURNS                                                                                         \
    {                                                                                                        \
        {IM("system"), "", IM_END}, {IM("user"), "", IM_END}, {                                              \
            IM("assistant"), "", IM_END                                                                      \
        }                                                                                                    \
    }
#define HEADER(role) T("<|start_header_id|>") role T("<|end_header_id|>") "\n\n"
#define EOT          T("<|eot_id|>")
#define TURN(role)   T("<start_of_turn>") role "\n"
#define TURN_END     T("<end_of_turn>") "\n"

/* Llama 3.1 and later put two dates before the system message. 3.2's template asks the clock for the second
 * one and falls back to this; we do not ask: what is trained on must not depend on the day. */
#define DATES "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"

const struct ob_chat_format OB_CHAT_FORMATS[] = {
    {.name = "chatml", .begin = "", .turns = CHATML_TURNS},
    {.name = "smollm2",
     .begin = "",
     .turns = CHATML_TURNS,
     .default_system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"},
    {.name = "qwen2", .begin = "", .turns = CHATML_TURNS, .default_system = "You are a helpful assistant."},
    {.name = "qwen2.5",
     .begin = "",
     .turns = CHATML_TURNS,
     .default_system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."},
    {.name = "qwen3", .begin = "", .turns = CHATML_TURNS, .thinks = true},
    {.name = "llama2",
     .begin = "",
     .turns = {{"<<SYS>>\n", "", "\n<</SYS>>\n\n"}, {BOS "[INST] ", "", " [/INST]"}, {"", " ", " " EOS}},
     .system = OB_CHAT_SYSTEM_IN_USER,
     .trim = OB_CHAT_TRIM_TOGETHER,
     .alternates = true},
    {.name = "llama3",
     .begin = BOS,
     .turns = {{HEADER("system"), "", EOT}, {HEADER("user"), "", EOT}, {HEADER("assistant"), "", EOT}},
     .trim = OB_CHAT_TRIM_EACH},
    {.name = "llama3.1",
     .begin = BOS,
     .turns = {{HEADER("system") DATES, "", EOT}, {HEADER("user"), "", EOT}, {HEADER("assistant"), "", EOT}},
     .system = OB_CHAT_SYSTEM_FIRST,
     .trim = OB_CHAT_TRIM_EACH,
     .default_system = ""},
    {.name = "mistral-v0.1", /* Mistral 7B Instruct v0.1 as it was first published */
     .begin = BOS,
     .turns = {{"", "", ""}, {"[INST] ", "", " [/INST]"}, {"", "", EOS " "}},
     .system = OB_CHAT_SYSTEM_REFUSED,
     .alternates = true},
    {.name = "mistral-v0.2", /* Mistral 7B Instruct v0.2 and Mixtral as they were first published */
     .begin = BOS,
     .turns = {{"", "", ""}, {"[INST] ", "", " [/INST]"}, {"", "", EOS}},
     .system = OB_CHAT_SYSTEM_REFUSED,
     .alternates = true},
    {.name = "mistral-v1", /* the same models' later template */
     .begin = BOS,
     .turns = {{"", "", "\n\n"}, {" [INST] ", "", " [/INST]"}, {"", " ", EOS}},
     .system = OB_CHAT_SYSTEM_IN_USER,
     .alternates = true},
    {.name = "mistral-v3", /* drops a system message as soon as there is an answer */
     .begin = BOS,
     .turns = {{"", "", ""}, {T("[INST]") " ", "", T("[/INST]")}, {"", " ", EOS}},
     .system = OB_CHAT_SYSTEM_REFUSED,
     .trim = OB_CHAT_TRIM_ASSISTANT,
     .alternates = true},
    {.name = "mistral-tekken", /* Nemo; drops a system message as soon as there is an answer */
     .begin = BOS,
     .turns = {{"", "", ""}, {T("[INST]"), "", T("[/INST]")}, {"", "", EOS}},
     .system = OB_CHAT_SYSTEM_REFUSED,
     .alternates = true},
    {.name = "gemma",
     .begin = BOS,
     .turns = {{"", "", ""}, {TURN("user"), "", TURN_END}, {TURN("model"), "", TURN_END}},
     .system = OB_CHAT_SYSTEM_REFUSED,
     .trim = OB_CHAT_TRIM_EACH,
     .alternates = true},
    {.name = "gemma3",
     .begin = BOS,
     .turns = {{"", "", "\n\n"}, {TURN("user"), "", TURN_END}, {TURN("model"), "", TURN_END}},
     .system = OB_CHAT_SYSTEM_IN_USER,
     .trim = OB_CHAT_TRIM_EACH,
     .alternates = true},
    {.name = "zephyr", /* TinyLlama as well */
     .begin = "",
     .turns = {{"<|system|>\n", "", EOS "\n"},
               {"<|user|>\n", "", EOS "\n"},
               {"<|assistant|>\n", "", EOS "\n"}}},
    {.name = NULL},
};

const struct ob_chat_format *ob_chat_format(const char *name) {
    const struct ob_chat_format *format = OB_CHAT_FORMATS;
    while (format->name != NULL && strcmp(format->name, name) != 0)
        format++;
    return format->name == NULL ? NULL : format;
}
