/* known - the chat templates that we know, by what they say word for word.
 *
 * A template is compared as Jinja reads it: "\r\n" and "\r" are "\n", and one "\n" at its end does not count.
 * tests/parity/make_chat.py has rendered each of them with `transformers`, and the format gives the same.
 *
 * Owns:    nothing.
 * Threads: pure functions. */
#ifndef OB_MODEL_CHAT_KNOWN_H
#define OB_MODEL_CHAT_KNOWN_H

#include "base/err.h"

#define OB_CHAT_HASH_HEX 65 /* BLAKE2b-256 in hexadecimal, and its NUL */

/* ret_hash: of the template. OB_ENOMEM. */
OB_MUST_USE enum ob_err ob_chat_hash(const char *text, size_t bytes, char ret_hash[static OB_CHAT_HASH_HEX],
                                     struct ob_error *error);
/* The name of its format, or NULL: we do not know it. */
const char *ob_chat_known(const char *hash);

#endif
