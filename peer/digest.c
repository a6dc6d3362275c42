#include "peer/digest.h"

#include <assert.h>
#include <string.h>

#include "record/hash.h"

static_assert(OB_LEAVES == MIDDLES * 16, "16 middles of 16 leaves");

void ob_digest_touch(struct digest_tree *tree, const struct ob_machine_id *id) {
    uint8_t leaf = id->key[0];
    tree->leaf_known[leaf] = tree->middle_known[leaf / 16] = tree->root_known = false;
}

void ob_digest_touch_all(struct digest_tree *tree) {
    *tree = (struct digest_tree){0};
}

static struct ob_hash middle_of(const struct ob_hash leaves[static 16]) {
    static const struct ob_hash ZEROS[16];
    if (memcmp(leaves, ZEROS, sizeof ZEROS) == 0)
        return ZEROS[0];
    return ob_hash_of(leaves, sizeof ZEROS);
}

const struct ob_hash *ob_digest_leaves(struct digest_tree *tree, ob_digest_leaf_fn leaf,
                                       const void *context) {
    for (unsigned i = 0; i < OB_LEAVES; i++) {
        if (!tree->leaf_known[i])
            tree->leaves[i] = leaf(context, (uint8_t)i);
        tree->leaf_known[i] = true;
    }
    return tree->leaves;
}

struct ob_hash ob_digest_root(struct digest_tree *tree, const char label[static 16], ob_digest_leaf_fn leaf,
                              const void *context) {
    if (tree->root_known)
        return tree->root;
    (void)ob_digest_leaves(tree, leaf, context);
    struct ob_hasher hasher;
    ob_hasher_init(&hasher);
    ob_hasher_add(&hasher, label, 16);
    for (unsigned i = 0; i < MIDDLES; i++) {
        if (!tree->middle_known[i])
            tree->middles[i] = middle_of(&tree->leaves[(size_t)16 * i]);
        tree->middle_known[i] = true;
        ob_hasher_add(&hasher, tree->middles[i].bytes, OB_HASH_BYTES);
    }
    tree->root = ob_hasher_end(&hasher);
    tree->root_known = true;
    return tree->root;
}
