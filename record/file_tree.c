#include "record/file_tree.h"

#include <assert.h>
#include <stdlib.h>

#include "record/hash.h"

#define BLOCK_LABEL "onebyte/block/1"
#define FILE_LABEL  "onebyte/file/1"

static uint64_t blocks_of(uint64_t bytes) {
    return (bytes + OB_FILE_BLOCK - 1) / OB_FILE_BLOCK;
}

unsigned ob_file_tree_levels(uint64_t bytes) {
    unsigned levels = 1;
    if (bytes == 0 || bytes > OB_FILE_BYTES_MAX)
        return 0;
    for (uint64_t blocks = blocks_of(bytes); blocks > 1; blocks = blocks_of(blocks * OB_HASH_BYTES))
        levels++;
    return levels;
}

enum ob_err ob_file_tree_new(uint64_t bytes, struct ob_file_tree *ret_tree, struct ob_error *error) {
    struct ob_file_tree tree = {.bytes = bytes, .levels = ob_file_tree_levels(bytes)};
    uint64_t all = 0, left = bytes;
    if (tree.levels == 0)
        return ob_fail(error, OB_ETOOBIG, "a file to be shared has 1 to 2^44 bytes, not %llu",
                       (unsigned long long)bytes);
    assert(tree.levels <= OB_FILE_LEVELS);
    for (unsigned level = 0; level < tree.levels; level++, left = tree.blocks[level - 1] * OB_HASH_BYTES)
        all += tree.blocks[level] = blocks_of(left);
    struct ob_hash *hashes = calloc(all, sizeof *hashes);
    if (!hashes)
        return ob_fail(error, OB_ENOMEM, "not enough memory for the hashes of a file of %llu MB",
                       (unsigned long long)(bytes >> 20));
    for (unsigned level = 0; level < tree.levels; hashes += tree.blocks[level++])
        tree.hashes[level] = hashes;
    *ret_tree = tree;
    return OB_OK;
}

void ob_file_tree_free(struct ob_file_tree *tree) {
    free(tree->hashes[0]);
    *tree = (struct ob_file_tree){0};
}

size_t ob_file_block_bytes(const struct ob_file_tree *tree, unsigned level, uint64_t block) {
    assert(level < tree->levels && block < tree->blocks[level]);
    uint64_t all = level == 0 ? tree->bytes : tree->blocks[level - 1] * OB_HASH_BYTES,
             left = all - block * OB_FILE_BLOCK;
    return left < OB_FILE_BLOCK ? (size_t)left : OB_FILE_BLOCK;
}

struct ob_hash ob_file_block_hash(unsigned level, const void *data, size_t bytes) {
    struct ob_hasher hasher;
    uint8_t number = (uint8_t)level;
    ob_hasher_init(&hasher);
    ob_hasher_add(&hasher, BLOCK_LABEL, sizeof BLOCK_LABEL - 1);
    ob_hasher_add(&hasher, &number, 1);
    ob_hasher_add(&hasher, data, bytes);
    return ob_hasher_end(&hasher);
}

uint8_t *ob_file_tree_block(const struct ob_file_tree *tree, unsigned level, uint64_t block) {
    assert(level > 0 && level < tree->levels && block < tree->blocks[level]);
    return tree->hashes[level - 1][block * OB_FILE_CHILDREN].bytes;
}

struct ob_hash ob_file_tree_finish(struct ob_file_tree *tree) {
    for (unsigned level = 1; level < tree->levels; level++)
        for (uint64_t block = 0; block < tree->blocks[level]; block++)
            tree->hashes[level][block] = ob_file_block_hash(level, ob_file_tree_block(tree, level, block),
                                                            ob_file_block_bytes(tree, level, block));
    return ob_file_name(tree->bytes, &tree->hashes[tree->levels - 1][0]);
}

struct ob_hash ob_file_name(uint64_t bytes, const struct ob_hash *last) {
    struct ob_hasher hasher;
    ob_hasher_init(&hasher);
    ob_hasher_add(&hasher, FILE_LABEL, sizeof FILE_LABEL - 1);
    ob_hasher_add_u64(&hasher, bytes);
    ob_hasher_add(&hasher, last->bytes, OB_HASH_BYTES);
    return ob_hasher_end(&hasher);
}
