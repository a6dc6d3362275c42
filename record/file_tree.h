/* file_tree - names a file by its bytes, so that any part of it can be verified alone: a hash tree.
 *
 *   level 0      the file in blocks of OB_FILE_BLOCK bytes, of which the last may be shorter
 *   level k + 1  the hashes of level k's blocks, 32 bytes each, in order; in blocks again (1,024 hashes each)
 *   the last level is the first that has one block
 *   hash of a block = BLAKE2b-256("onebyte/block/1" ‖ u8 level ‖ the block)
 *   name of a file  = BLAKE2b-256("onebyte/file/1" ‖ le64(bytes) ‖ the hash of the last level's block)
 *
 * Who knows a name can verify the last level's block, with it the blocks whose hashes it holds, and so on down
 * to the file. An empty file has no name.
 *
 * Errors:  OB_ETOOBIG, OB_ENOMEM.
 * Owns:    a tree its hashes.
 * Threads: hashes of different blocks may be filled in by different threads. */
#ifndef OB_RECORD_FILE_TREE_H
#define OB_RECORD_FILE_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/ids.h"

#define OB_FILE_BLOCK     32768
#define OB_FILE_CHILDREN  (OB_FILE_BLOCK / OB_HASH_BYTES)
#define OB_FILE_LEVELS    4
#define OB_FILE_BYTES_MAX (1ull << 44)

struct ob_file_tree {
    uint64_t bytes;                         /* 1 … OB_FILE_BYTES_MAX */
    unsigned levels;                        /* 1 … OB_FILE_LEVELS */
    uint64_t blocks[OB_FILE_LEVELS];        /* of each level; of the last: 1 */
    struct ob_hash *hashes[OB_FILE_LEVELS]; /* of each level's blocks */
};

/* For a file of so many bytes; the hashes are zeros. */
OB_MUST_USE enum ob_err ob_file_tree_new(uint64_t bytes, struct ob_file_tree *ret_tree,
                                         struct ob_error *error);
void ob_file_tree_free(struct ob_file_tree *tree); /* a tree of zeros is fine */
/* How many levels a file has: 0, there is no such file. */
unsigned ob_file_tree_levels(uint64_t bytes);
size_t ob_file_block_bytes(const struct ob_file_tree *tree, unsigned level, uint64_t block);
struct ob_hash ob_file_block_hash(unsigned level, const void *data, size_t bytes);
/* A block of a level above 0, which is hashes of the tree itself; to be read, or filled in. */
uint8_t *ob_file_tree_block(const struct ob_file_tree *tree, unsigned level, uint64_t block);
/* From the hashes of level 0, which are there, to all others. Returns the name. */
struct ob_hash ob_file_tree_finish(struct ob_file_tree *tree);
struct ob_hash ob_file_name(uint64_t bytes, const struct ob_hash *last);

#endif
