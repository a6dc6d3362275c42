/* transfer_message - how a file travels that both sides know by its name (record/file_tree.h): a question for one
 * block and its answer, between two members, sent.
 *
 *   kind 36, ask    u8 36, u8 version 1, run 32, name 32, level u8, block u32
 *   kind 37, block  u8 37, u8 version 1, run 32, name 32, bytes u64 (of the file), level u8, block u32, the block
 *
 * Level OB_TRANSFER_LAST of an ask, with block 0, is the last level, for who does not know yet how many there are.
 * An answer of 0 bytes, level 0, block 0 and no data: there is no such file here.
 *
 * Pure functions. Decoding: false for what does not follow that; ret_message points into the data. That a level
 * and a block are within the file is not part of it. */
#ifndef OB_TRANSFER_MESSAGE_H
#define OB_TRANSFER_MESSAGE_H

#include <stdbool.h>

#include "record/file_tree.h"
#include "record/wire.h"

#define OB_TRANSFER_LAST 255

struct ob_transfer_message {
    enum ob_message_kind kind;
    struct ob_run_id run;
    struct ob_hash name;
    uint64_t file_bytes; /* FILE_BLOCK; 0: there is no such file */
    uint8_t level;
    uint32_t block;
    const uint8_t *data; /* FILE_BLOCK */
    size_t bytes;
};

#define OB_TRANSFER_MESSAGE_MAX (2 + 2 * OB_HASH_BYTES + 8 + 1 + 4 + OB_FILE_BLOCK)

bool ob_transfer_message_is(const uint8_t *data, size_t bytes); /* by its kind alone */
/* Returns the length. */
size_t ob_transfer_message_encode(const struct ob_transfer_message *message,
                                  uint8_t ret_data[static OB_TRANSFER_MESSAGE_MAX]);
bool ob_transfer_message_decode(const uint8_t *data, size_t bytes, struct ob_transfer_message *ret_message);

#endif
