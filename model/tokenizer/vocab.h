/* vocab - the tokens of a vocabulary, by id and by their spelling.
 *
 * A token has a key (how tokenizer.json spells it) and a text (the bytes that it stands for). The spellings:
 * - byte level, GPT-2's alphabet: each byte of the text is one character, bytes 0x21-0x7e, 0xa1-0xac and
 *   0xae-0xff the character of the same number, the other 68 bytes U+0100, U+0101 … in their order. A key
 * with any other character stands for itself, as the ByteLevel decoder of `tokenizers` has it.
 * - pieces, SentencePiece's: U+2581 is a space, <0xHH> is the byte HH, all else stands for itself.
 * - literal: the key is the text (added tokens, beside the byte level).
 *
 * Errors:  OB_ENOMEM; OB_EFORMAT when an id or a key comes twice.
 * Owns:    all its arrays; done accepts a zeroed struct.
 * Threads: read-only once filled. */
#ifndef OB_MODEL_TOKENIZER_VOCAB_H
#define OB_MODEL_TOKENIZER_VOCAB_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define OB_TOKEN_IDS_MAX (1u << 22) /* ids are below it */

enum ob_spelling { OB_SPELLING_BYTES, OB_SPELLING_PIECES, OB_SPELLING_LITERAL };

struct ob_token {
    uint32_t key, key_bytes; /* in the arena */
    uint32_t text, text_bytes;
    bool present, special;
    bool only_added; /* not in the model's vocabulary: no piece of a text becomes it */
};

struct ob_vocab {
    struct ob_token *tokens; /* (ids) */
    size_t ids;              /* largest id + 1 */
    char *arena;
    size_t arena_used, arena_bytes;
    uint32_t *slots; /* id + 1 by the hash of the key, 0: empty */
    size_t slots_mask;
    size_t key_bytes_max;
};

/* The model's "vocab" of a tokenizer.json, and room for its "added_tokens" (NULL: none), which are entered by
 * model/tokenizer/added.h. Refuses ids that are no number of a token. */
OB_MUST_USE enum ob_err ob_vocab_read(struct ob_vocab *vocab, const json_t *field, const json_t *added,
                                      enum ob_spelling spelling, struct ob_error *error);
/* Room for `ids` ids and for `keys` keys of `bytes` bytes in all. */
OB_MUST_USE enum ob_err ob_vocab_init(struct ob_vocab *vocab, size_t ids, size_t keys, size_t bytes,
                                      struct ob_error *error);
void ob_vocab_done(struct ob_vocab *vocab);
/* The id is below `ids`. */
OB_MUST_USE enum ob_err ob_vocab_add(struct ob_vocab *vocab, int32_t id, const char *key, size_t bytes,
                                     enum ob_spelling spelling, struct ob_error *error);
/* From now on the token stands for what this spelling makes of `key`. */
OB_MUST_USE enum ob_err ob_vocab_respell(struct ob_vocab *vocab, int32_t id, const char *key, size_t bytes,
                                         enum ob_spelling spelling, struct ob_error *error);
int32_t ob_vocab_find(const struct ob_vocab *vocab, const char *key, size_t bytes); /* -1: unknown */

/* The character for a byte; 1 or 2 bytes of UTF-8 are written. */
size_t ob_byte_level_encode(uint8_t byte, char ret_text[static 4]);
/* <0xHH>, the key of a byte among pieces. */
#define OB_BYTE_PIECE_BYTES 6
void ob_byte_piece_encode(uint8_t byte, char ret_text[static OB_BYTE_PIECE_BYTES]);
#define OB_SPACE_PIECE "\xe2\x96\x81" /* U+2581 */

#endif
