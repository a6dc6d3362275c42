/* transfer_fetch - one file on its way here, known by its name, from every machine that has it.
 *
 * First the last level of its hashes, then level after level, many blocks at a time from several machines, each
 * verified against its hash when it arrives and written to PATH.part at once. When all are there, the file is
 * synced and renamed to PATH. A fetch that was broken off goes on from what PATH.part holds.
 *
 * Who sends a block that does not have its hash is asked no more (ob_transfer_fetch_liar names it); who does
 * not answer, or has no such file, is asked again after a while. It never gives up: its caller does.
 *
 * Errors:  OB_EIO, OB_EFULL, OB_EREFUSED (the file cannot be written), OB_ENOMEM, OB_ETOOBIG (more than
 *          bytes_max), OB_EBUSY (PATH is there already): they name the file. After one, only free may follow.
 * Bounds:  OB_TRANSFER_SLOTS blocks under way; in memory the hashes, 1/1,024 of the file.
 * Owns:    the file PATH.part while it is open, which stays for the next time.
 * Threads: one at a time. Time and the way to send are handed in. */
#ifndef OB_TRANSFER_FETCH_H
#define OB_TRANSFER_FETCH_H

#include "base/path.h"
#include "transfer/message.h"
#include "transfer/serve.h"

#define OB_TRANSFER_SOURCES 16
#define OB_TRANSFER_SLOTS   128
#define OB_TRANSFER_A_PEER  32 /* slots; below what a server queues for one machine */

struct ob_transfer_fetch;

struct ob_transfer_fetch_options {
    struct ob_run_id run;
    struct ob_hash name;
    uint64_t bytes_max;
    const char *path;         /* of the file; its folder must be there */
    ob_transfer_send_fn send; /* false: there is no way to that machine now */
    void *context;
};

OB_MUST_USE enum ob_err ob_transfer_fetch_new(const struct ob_transfer_fetch_options *options,
                                              struct ob_transfer_fetch **ret_fetch, struct ob_error *error);
void ob_transfer_fetch_free(struct ob_transfer_fetch *fetch);
/* A machine that may have it; again: it can be reached again. */
void ob_transfer_fetch_from(struct ob_transfer_fetch *fetch, const struct ob_machine_id *machine);
/* An answer of a machine, decoded. */
OB_MUST_USE enum ob_err ob_transfer_fetch_take(struct ob_transfer_fetch *fetch,
                                               const struct ob_machine_id *from,
                                               const struct ob_transfer_message *block, uint64_t now_ns,
                                               struct ob_error *error);
/* Asks for what is wanted next. *ret_done: the file is at its place. */
OB_MUST_USE enum ob_err ob_transfer_fetch_tend(struct ob_transfer_fetch *fetch, uint64_t now_ns,
                                               bool *ret_done, struct ob_error *error);

struct ob_transfer_progress {
    uint64_t bytes_have, bytes_total; /* of the file, verified; total 0: not known yet */
    uint64_t bytes_kept;              /* … of them from an earlier fetch that was broken off */
};
struct ob_transfer_progress ob_transfer_fetch_progress(const struct ob_transfer_fetch *fetch);
/* A machine that has sent a wrong block, each once. */
bool ob_transfer_fetch_liar(struct ob_transfer_fetch *fetch, struct ob_machine_id *ret_machine);

#endif
