/* manifest_frames - the two messages by which a newcomer that has only a certificate gets the run's manifest from a member.
 *
 *   kind 60, ask     u8 60, u8 version 1, run_id 32, u32 offset
 *   kind 61, piece   u8 61, u8 version 1, run_id 32, u32 total bytes, u32 offset, bytes (at most OB_MANIFEST_PIECE_MAX)
 *
 * The manifest's hash is the run id, which stands in the certificate: it need not be trusted, only checked.
 *
 * Errors:  none: what is not exactly such a message, of this run and within all bounds, is not one
 *          (false).
 * Owns:    a decoded piece points into the frame.
 * Threads: pure functions. */
#ifndef OB_DAEMON_MANIFEST_FRAMES_H
#define OB_DAEMON_MANIFEST_FRAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/ids.h"
#include "base/limits.h"
#include "record/wire.h"

#define OB_MANIFEST_PIECE_MAX     60000
#define OB_MANIFEST_ASK_BYTES     (2 + OB_HASH_BYTES + 4)
#define OB_MANIFEST_PIECE_HEAD    (2 + OB_HASH_BYTES + 4 + 4)
#define OB_MANIFEST_PIECE_MESSAGE (OB_MANIFEST_PIECE_HEAD + OB_MANIFEST_PIECE_MAX)

/* `count` bytes, at least one, at `offset` of `total`: all within it. */
struct ob_manifest_piece {
    uint32_t total, offset;
    const uint8_t *bytes;
    size_t count;
};

bool ob_manifest_frame_is(const uint8_t *data, size_t bytes); /* by its kind alone */
size_t ob_manifest_ask_encode(const struct ob_run_id *run, uint32_t offset,
                              uint8_t ret_data[static OB_MANIFEST_ASK_BYTES]);
bool ob_manifest_ask_decode(const struct ob_run_id *run, const uint8_t *data, size_t bytes,
                            uint32_t *ret_offset);
size_t ob_manifest_piece_encode(const struct ob_run_id *run, const struct ob_manifest_piece *piece,
                                uint8_t ret_data[static OB_MANIFEST_PIECE_MESSAGE]);
bool ob_manifest_piece_decode(const struct ob_run_id *run, const uint8_t *data, size_t bytes,
                              struct ob_manifest_piece *ret_piece);

#endif
