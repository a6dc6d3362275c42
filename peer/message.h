/* message - what peers say to each other: the first byte is the kind, the second the protocol version.
 * Nothing is longer than OB_MESSAGE_MAX. record/wire.h has all kinds, docs/wire.md every layout to the byte, the
 * header of each receiver its structs.
 *
 * A decoder of those gets the bytes after kind and version. It returns false for a body that does not follow its
 * layout or its bounds, and leaves ret_* as it was; an encoder writes the whole message and returns its length. */
#ifndef OB_PEER_MESSAGE_H
#define OB_PEER_MESSAGE_H

#include <stddef.h>

#include "base/cursor.h"
#include "base/err.h"
#include "base/ids.h"
#include "record/record.h"
#include "record/wire.h"

/* The beginning that all have: kind, version, run. */
struct ob_writer ob_message_start(enum ob_message_kind kind, const struct ob_run_id *run, void *buffer,
                                  size_t capacity);
/* Nothing failed and nothing is left over. */
bool ob_message_read(const struct ob_reader *reader);

/* count × (length, item): le32 lengths in RECORDS, le16 in CONTROL. Decoding walks over all of them: the
 * items fill the message exactly, and taking the next one cannot fail. */
#define OB_SMALL_MESSAGE_BYTES_MAX 512 /* messages that carry no list are shorter */

struct ob_list {
    struct ob_reader items;
    uint32_t count;
    bool short_lengths;
};
bool ob_list_decode(struct ob_reader reader, bool short_lengths, struct ob_run_id *ret_run,
                    struct ob_list *ret_list);
const uint8_t *ob_list_next(struct ob_list *list, size_t *ret_bytes); /* NULL: that was the last one */

/* Building an OB_MESSAGE_RECORDS in caller's storage, for OB_EFFECT_SERVE: start, add encoded records until
 * it returns false (full), end gives the length. */
struct ob_message_records {
    struct ob_writer writer;
    uint32_t count;
};
void ob_message_records_start(struct ob_message_records *message, const struct ob_run_id *run, void *buffer,
                              size_t capacity);
bool ob_message_records_add(struct ob_message_records *message, const void *record, size_t bytes);
size_t ob_message_records_end(struct ob_message_records *message);

#endif
