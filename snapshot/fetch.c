#include "snapshot/fetch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hex.h"
#include "record/hash.h"

#define SILENCE_NS    3000000000ull /* until a source that delivers nothing is asked again … */
#define SILENCES_MAX  5             /* … and left alone */
#define SLOTS_A_PEER  4
#define PIECES_A_LEAF ((OB_SPSA_LEAF_ELEMENTS * 4 + OB_SNAPSHOT_PIECE - 1) / OB_SNAPSHOT_PIECE)

static_assert(PIECES_A_LEAF <= 8, "pieces are the bits of a byte");

static bool usable(const struct ob_snapshot_fetch *f, size_t source) {
    const struct ob_snapshot_source *s = &f->sources[source];
    return !s->lied && s->silences < SILENCES_MAX && ob_transport_linked(f->transport, &s->machine);
}

static void name_liar(struct ob_snapshot_fetch *f, size_t source, const char *what) {
    char key[OB_HEX_MAX(OB_KEY_BYTES)];
    ob_hex_encode(f->sources[source].machine.key, OB_KEY_BYTES, key);
    f->sources[source].lied = true;
    ob_log(f->snapshots->logger, OB_LOG_ERROR, "snapshot-lie", "machine=%s text=\"%s\"", key, what);
}

static void ask(struct ob_snapshot_fetch *f, size_t source, uint64_t offset, size_t bytes) {
    uint8_t data[OB_SNAPSHOT_MESSAGE_MAX];
    struct ob_snapshot_message message = {.kind = OB_MESSAGE_PIECE_ASK,
                                          .run = f->snapshots->manifest->run,
                                          .name = f->name,
                                          .offset = offset,
                                          .bytes = bytes};
    (void)ob_transport_send(f->transport, &f->sources[source].machine, data,
                            ob_snapshot_message_encode(&message, data));
}

/* ---- the table ---- */

static size_t table_piece(const struct ob_snapshot_fetch *f) {
    size_t left = f->table_bytes - f->table_have;
    return left < OB_SNAPSHOT_PIECE ? left : OB_SNAPSHOT_PIECE;
}

static void ask_table(struct ob_snapshot_fetch *f) {
    f->sources[f->table_source].heard_ns = f->now_ns;
    ask(f, f->table_source, f->table_have, table_piece(f));
}

/* The leaves that a fetch which was broken off has left in the file. */
static void keep_leaves(struct ob_snapshot_fetch *f) {
    struct ob_snapshot_file *old = NULL;
    int32_t *values = malloc(OB_SPSA_LEAF_ELEMENTS * sizeof *values);
    bool same = values && ob_snapshot_open(f->path, f->snapshots->manifest, &old, NULL) == OB_OK &&
                ob_hash_equal(&old->table->name, &f->name);
    for (size_t i = 0; same && i < f->table->leaf_count; i++) {
        size_t bytes;
        if (ob_snapshot_read_leaf(old, i, values, NULL) != OB_OK)
            continue;
        (void)ob_snapshot_leaf_at(f->table, f->snapshots->manifest, i, &bytes);
        f->done[i] = true;
        f->done_count++;
        f->bytes_have += bytes;
    }
    ob_snapshot_close(old);
    free(values);
}

/* Goes on with a file of the same snapshot, or makes a new one of its full length. */
static enum ob_err open_file(struct ob_snapshot_fetch *f, struct ob_error *error) {
    keep_leaves(f);
    f->descriptor = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | (f->done_count ? 0 : O_TRUNC), 0600);
    if (f->descriptor < 0)
        return ob_snapshot_io_error(f->path, "create", error);
    if (ftruncate(f->descriptor, (off_t)f->table->file_bytes) != 0 ||
        ob_snapshot_pwrite(f->descriptor, f->table_data, f->table_bytes, 0) != 0)
        return ob_snapshot_io_error(f->path, "write", error);
    return OB_OK;
}

static void table_is_here(struct ob_snapshot_fetch *f) {
    const struct ob_manifest *manifest = f->snapshots->manifest;
    struct ob_error why = {0};
    if (ob_snapshot_decode("the offered snapshot", manifest, f->table_data, f->table_bytes, &f->table,
                           &why) ||
        !ob_hash_equal(&f->table->name, &f->name)) {
        ob_snapshot_free(f->table);
        f->table = NULL;
        f->table_have = 0;
        name_liar(f, f->table_source, why.code ? why.text : "the snapshot differs from the one it offered");
        return;
    }
    f->bytes_have = f->table_bytes;
    f->done = calloc(f->table->leaf_count, sizeof *f->done);
    f->failed =
        f->done ? open_file(f, &f->error) : ob_fail(&f->error, OB_ENOMEM, "not enough memory for a snapshot");
}

static void take_table(struct ob_snapshot_fetch *f, const struct ob_snapshot_message *piece) {
    if (piece->offset != f->table_have || piece->bytes != table_piece(f))
        return;
    memcpy(f->table_data + f->table_have, piece->data, piece->bytes);
    f->table_have += piece->bytes;
    f->bytes_here += piece->bytes;
    if (f->table_have == f->table_bytes)
        table_is_here(f);
    else
        ask_table(f);
}

static void tend_table(struct ob_snapshot_fetch *f) {
    struct ob_snapshot_source *source = &f->sources[f->table_source];
    bool waits = source->heard_ns != 0 && usable(f, f->table_source);
    if (waits && f->now_ns - source->heard_ns < SILENCE_NS)
        return;
    if (waits)
        source->silences++;
    for (size_t i = 1; i <= f->source_count; i++) {
        size_t next = (f->table_source + i) % f->source_count;
        if (!usable(f, next))
            continue;
        f->table_source = next;
        f->table_have = 0; /* of one source only, so that a lie has a name */
        ask_table(f);
        return;
    }
}

/* ---- the leaves ---- */

static size_t piece_bytes(const struct ob_snapshot_slot *slot, size_t piece) {
    size_t left = slot->bytes - piece * OB_SNAPSHOT_PIECE;
    return left < OB_SNAPSHOT_PIECE ? left : OB_SNAPSHOT_PIECE;
}

static size_t pieces_of(const struct ob_snapshot_slot *slot) {
    return (slot->bytes + OB_SNAPSHOT_PIECE - 1) / OB_SNAPSHOT_PIECE;
}

static void ask_leaf(struct ob_snapshot_fetch *f, const struct ob_snapshot_slot *slot) {
    for (size_t i = 0; i < pieces_of(slot); i++)
        if (!(slot->have & (1u << i)))
            ask(f, slot->source, slot->offset + i * OB_SNAPSHOT_PIECE, piece_bytes(slot, i));
}

/* The source with the fewest leaves under way; source_count: none has room. */
static size_t pick_source(const struct ob_snapshot_fetch *f) {
    size_t best = f->source_count, least = SLOTS_A_PEER;
    for (size_t s = 0; s < f->source_count; s++) {
        size_t busy = 0;
        for (size_t i = 0; i < OB_SNAPSHOT_SLOTS; i++)
            busy += f->slots[i].used && f->slots[i].source == s;
        if (usable(f, s) && busy < least) {
            best = s;
            least = busy;
        }
    }
    return best;
}

static bool under_way(const struct ob_snapshot_fetch *f, size_t leaf) {
    for (size_t i = 0; i < OB_SNAPSHOT_SLOTS; i++)
        if (f->slots[i].used && f->slots[i].leaf == leaf)
            return true;
    return false;
}

static bool next_leaf(struct ob_snapshot_fetch *f, size_t *ret_leaf) {
    for (size_t tried = 0; tried < f->table->leaf_count; tried++) {
        size_t leaf = f->next_leaf;
        f->next_leaf = (f->next_leaf + 1) % f->table->leaf_count;
        if (f->done[leaf] || under_way(f, leaf))
            continue;
        *ret_leaf = leaf;
        return true;
    }
    return false;
}

static void fill_slot(struct ob_snapshot_fetch *f, struct ob_snapshot_slot *slot) {
    size_t source = pick_source(f), leaf;
    if (source == f->source_count || f->done_count == f->table->leaf_count || !next_leaf(f, &leaf))
        return;
    if (!slot->data && !(slot->data = malloc((size_t)4 * OB_SPSA_LEAF_ELEMENTS))) {
        f->failed = ob_fail(&f->error, OB_ENOMEM, "not enough memory for a leaf of a snapshot");
        return;
    }
    slot->used = true;
    slot->leaf = leaf;
    slot->source = source;
    slot->have = 0;
    slot->offset = ob_snapshot_leaf_at(f->table, f->snapshots->manifest, leaf, &slot->bytes);
    f->sources[source].heard_ns = f->now_ns;
    ask_leaf(f, slot);
}

/* A source that has delivered nothing for a while: its leaves go to others, or to it again. */
static void tend_silence(struct ob_snapshot_fetch *f, size_t source) {
    struct ob_snapshot_source *s = &f->sources[source];
    bool waits = false;
    for (size_t i = 0; i < OB_SNAPSHOT_SLOTS; i++)
        waits = waits || (f->slots[i].used && f->slots[i].source == source);
    if (!waits || (usable(f, source) && f->now_ns - s->heard_ns < SILENCE_NS))
        return;
    s->silences++;
    s->heard_ns = f->now_ns;
    for (size_t i = 0; i < OB_SNAPSHOT_SLOTS; i++)
        if (f->slots[i].used && f->slots[i].source == source)
            f->slots[i].used = false;
}

static void check_leaf(struct ob_snapshot_fetch *f, struct ob_snapshot_slot *slot) {
    struct ob_spsa_leaf leaf = ob_snapshot_leaf(f->snapshots->manifest, slot->leaf);
    struct ob_hash hash = ob_spsa_leaf_hash(&leaf, (const int32_t *)(const void *)slot->data);
    slot->used = false;
    if (!ob_hash_equal(&hash, &f->table->leaves[slot->leaf])) {
        name_liar(f, slot->source, "a piece of its snapshot does not have the hash that it announced");
        return;
    }
    if (ob_snapshot_pwrite(f->descriptor, slot->data, slot->bytes, slot->offset) != 0) {
        f->failed = ob_snapshot_io_error(f->path, "write", &f->error);
        return;
    }
    f->done[slot->leaf] = true;
    f->done_count++;
    f->bytes_have += slot->bytes;
}

static void take_leaf(struct ob_snapshot_fetch *f, size_t source, const struct ob_snapshot_message *piece) {
    for (size_t i = 0; i < OB_SNAPSHOT_SLOTS; i++) {
        struct ob_snapshot_slot *slot = &f->slots[i];
        if (!slot->used || slot->source != source || piece->offset < slot->offset ||
            piece->offset >= slot->offset + slot->bytes)
            continue;
        size_t at = (size_t)(piece->offset - slot->offset), number = at / OB_SNAPSHOT_PIECE;
        if (at % OB_SNAPSHOT_PIECE != 0 || piece->bytes != piece_bytes(slot, number) ||
            (slot->have & (1u << number)))
            return;
        memcpy(slot->data + at, piece->data, piece->bytes);
        f->bytes_here += piece->bytes;
        slot->have |= (uint8_t)(1u << number);
        if (slot->have == (1u << pieces_of(slot)) - 1u)
            check_leaf(f, slot);
        return;
    }
}

/* ---- the whole ---- */

enum ob_err ob_snapshot_fetch_start(struct ob_snapshot_fetch *f, struct ob_snapshots *snapshots,
                                    struct ob_transport *transport, const struct ob_hash *name,
                                    const uint8_t header[static OB_SNAPSHOT_HEADER_BYTES],
                                    struct ob_error *error) {
    *f = (struct ob_snapshot_fetch){
        .snapshots = snapshots, .transport = transport, .name = *name, .descriptor = -1};
    f->table_bytes = ob_snapshot_table_bytes(snapshots->manifest, header);
    assert(f->table_bytes > 0);
    ob_snapshots_path(snapshots, "incoming", f->path);
    f->table_data = malloc(f->table_bytes);
    return f->table_data ? OB_OK : ob_fail(error, OB_ENOMEM, "not enough memory for the table of a snapshot");
}

void ob_snapshot_fetch_done(struct ob_snapshot_fetch *f) {
    if (f->descriptor >= 0 && f->snapshots)
        close(f->descriptor);
    for (size_t i = 0; i < OB_SNAPSHOT_SLOTS; i++)
        free(f->slots[i].data);
    ob_snapshot_free(f->table);
    free(f->table_data);
    free(f->done);
    *f = (struct ob_snapshot_fetch){.descriptor = -1};
}

static size_t source_of(const struct ob_snapshot_fetch *f, const struct ob_machine_id *machine) {
    size_t s = 0;
    while (s < f->source_count && !ob_machine_equal(&f->sources[s].machine, machine))
        s++;
    return s;
}

void ob_snapshot_fetch_from(struct ob_snapshot_fetch *f, const struct ob_machine_id *machine) {
    if (source_of(f, machine) == f->source_count && f->source_count < OB_SNAPSHOT_SOURCES)
        f->sources[f->source_count++] = (struct ob_snapshot_source){.machine = *machine};
}

void ob_snapshot_fetch_take(struct ob_snapshot_fetch *f, const struct ob_machine_id *from,
                            const struct ob_snapshot_message *piece, uint64_t now_ns) {
    size_t source = source_of(f, from);
    if (source == f->source_count || f->sources[source].lied || f->failed ||
        !ob_hash_equal(&piece->name, &f->name))
        return;
    f->now_ns = now_ns;
    f->sources[source].heard_ns = now_ns;
    f->sources[source].silences = 0;
    if (f->table)
        take_leaf(f, source, piece);
    else if (source == f->table_source)
        take_table(f, piece);
    for (size_t i = 0; f->table && !f->failed && i < OB_SNAPSHOT_SLOTS; i++)
        if (!f->slots[i].used)
            fill_slot(f, &f->slots[i]);
}

static bool anybody(const struct ob_snapshot_fetch *f) {
    for (size_t s = 0; s < f->source_count; s++)
        if (!f->sources[s].lied && f->sources[s].silences < SILENCES_MAX)
            return true;
    return false;
}

enum ob_err ob_snapshot_fetch_tend(struct ob_snapshot_fetch *f, uint64_t now_ns, bool *ret_whole,
                                   struct ob_error *error) {
    f->now_ns = now_ns;
    if (!f->table && f->source_count > 0)
        tend_table(f);
    for (size_t s = 0; f->table && s < f->source_count; s++)
        tend_silence(f, s);
    for (size_t i = 0; f->table && !f->failed && i < OB_SNAPSHOT_SLOTS; i++)
        if (!f->slots[i].used)
            fill_slot(f, &f->slots[i]);
    if (f->failed) {
        if (error)
            *error = f->error;
        return f->failed;
    }
    *ret_whole = f->table && f->done_count == f->table->leaf_count;
    if (!*ret_whole && !anybody(f))
        return ob_fail(error, OB_EREFUSED, "no peer serves the snapshot any longer");
    return OB_OK;
}

uint64_t ob_snapshot_fetch_total(const struct ob_snapshot_fetch *f) {
    return f->table ? f->table->file_bytes : 0;
}
