/* Power that goes off at any write, sync, truncation or deletion of SQLite: what was promised durable is
 * there, and the log is whole chains. */
#include "tests/unit/cmocka_all.h"

#include "tests/unit/store/power_vfs.h"
#include "tests/unit/store/store_fixture.h"

#define STEPS   12
#define HISTORY 64
/* A life stores two own records in three steps, and each is at least a write and a sync. */
#define OPERATIONS_MIN (2 * (STEPS - STEPS / 3))

struct end {
    uint64_t next;
    struct ob_hash head;
};

/* What the store has said about one chain. */
struct promise {
    struct end ends[HISTORY]; /* of every state that was handed in, the empty one first */
    size_t count, durable;    /* ends[durable] is safe, and nothing less */
};

struct life {
    struct fixture f;
    struct promise chains[CHAINS];
    size_t controls_durable, controls;
    bool cut_handed, cut_durable;
    struct end kept; /* of chain 1, when it is cut */
    bool failed;
};

static void handed(struct life *life, int chain) {
    struct promise *p = &life->chains[chain];
    assert_true(p->count < HISTORY);
    p->ends[p->count++] = (struct end){life->f.chains[chain].next, life->f.chains[chain].head};
}

/* Everything that was handed in is safe now. */
static void is_durable(struct life *life) {
    for (int i = 0; i < CHAINS; i++)
        life->chains[i].durable = life->chains[i].count - 1;
    life->controls_durable = life->controls;
    life->cut_durable = life->cut_handed;
}

static void put_one(struct life *life, struct ob_store *store, int chain, uint16_t n) {
    if (life->failed)
        return;
    struct ob_record record = next_record(&life->f, chain, n);
    handed(life, chain);
    enum ob_err failed =
        chain == 0 ? ob_store_own(store, &record, NULL) : ob_store_other(store, &record, NULL);
    life->failed = failed != OB_OK;
    if (!failed && chain == 0)
        is_durable(life);
}

static void put_goodbye(struct life *life, struct ob_store *store) {
    uint8_t payload[8] = {7}, entry[OB_CONTROL_PLAIN_BYTES_MAX];
    if (life->failed)
        return;
    struct ob_control control = {.kind = OB_CONTROL_GOODBYE,
                                 .payload_bytes = sizeof payload,
                                 .signer = life->f.chains[0].machine,
                                 .subject = life->f.chains[0].machine,
                                 .payload = payload};
    size_t bytes = ob_control_sign(&life->f.options.run, &control, life->f.chains[0].secret, entry);
    life->controls = 1;
    life->failed = ob_store_control(store, &control, entry, bytes, NULL) != OB_OK;
    if (!life->failed)
        is_durable(life);
}

static void cut_chain(struct life *life, struct ob_store *store) {
    if (life->failed)
        return;
    life->cut_handed = true;
    life->failed =
        ob_store_cut(store, &life->f.chains[1].machine, (struct ob_sample){life->kept.next}, NULL) != OB_OK;
    if (!life->failed)
        is_durable(life);
}

static struct ob_store *open_again(struct life *life, struct ob_store *store) {
    struct ob_store *opened = NULL;
    if (store)
        ob_store_close(store);
    if (!life->failed)
        life->failed = ob_store_open(&life->f.options, &opened, NULL) != OB_OK;
    return opened;
}

static void one_step(struct life *life, struct ob_store *store, int step) {
    if (step < 6)
        put_one(life, store, 1, 150);
    put_one(life, store, 2, 200);
    if (step == 2) {
        life->kept = life->chains[1].ends[life->chains[1].count - 1];
        put_goodbye(life, store);
    }
    if (step == 6)
        cut_chain(life, store);
    if (step % 3 != 2)
        put_one(life, store, 0, 200);
    if (step == 9 && !life->failed) {
        life->failed = ob_store_flush(store, NULL) != OB_OK;
        if (!life->failed)
            is_durable(life);
    }
}

/* Two starts with a stop in good order between them. */
static void live(struct life *life) {
    struct ob_store *store = open_again(life, NULL);
    for (int step = 0; step < STEPS && !life->failed; step++) {
        one_step(life, store, step);
        if (step == 7) {
            store = open_again(life, store);
            if (!life->failed)
                is_durable(life); /* closing flushes */
        }
    }
    if (store)
        ob_store_close(store);
}

static enum ob_err count_control(void *context, const void *data, size_t bytes, struct ob_error *error) {
    (void)data;
    (void)bytes;
    (void)error;
    ++*(size_t *)context;
    return OB_OK;
}

static void check_chain(const struct life *life, int chain, const struct reading *reading) {
    const struct promise *p = &life->chains[chain];
    struct end found = {reading->next[chain], reading->head[chain]};
    bool was_cut = chain == 1 && found.next == life->kept.next && life->cut_handed;
    if (chain == 1 && life->cut_durable)
        assert_true(was_cut);
    for (size_t i = was_cut ? 0 : p->durable; i < p->count; i++)
        if (p->ends[i].next == found.next) {
            assert_memory_equal(&p->ends[i].head, &found.head, sizeof found.head);
            return;
        }
    fail_msg("chain %d ends at sample %llu; safe were %llu of %llu", chain, (unsigned long long)found.next,
             (unsigned long long)p->ends[p->durable].next, (unsigned long long)p->ends[p->count - 1].next);
}

static void check(struct life *life) {
    struct ob_store *store = open_store(&life->f);
    struct reading reading = {.fixture = &life->f};
    size_t controls = 0;
    if (ob_store_rescued(store)->happened)
        fail_msg("%s", ob_store_rescued(store)->dropped[0]);
    assert_int_equal(ob_store_each(store, read_one, &reading, NULL), OB_OK);
    assert_int_equal(ob_store_each_control(store, count_control, &controls, NULL), OB_OK);
    for (int i = 0; i < CHAINS; i++)
        check_chain(life, i, &reading);
    assert_in_range(controls, life->controls_durable, life->controls);
    if (life->chains[0].durable > 0) /* one machine alone comes back from a loss of power */
        assert_true(ob_store_may_start_alone(store));
    ob_store_close(store);
}

/* What is not SQLite's is synced as well: in memory that is quick. */
static void make_in_memory(struct fixture *f) {
    if (test_folder_make_under(&f->folder, "/dev/shm"))
        make_in_folder(f);
    else
        make(f);
}

/* Returns the operations that a life without a cut takes. */
static uint64_t one_life(uint64_t cut_at, enum power_loss loss, uint64_t seed) {
    struct life *life = calloc(1, sizeof *life);
    assert_non_null(life);
    make_in_memory(&life->f);
    for (int i = 0; i < CHAINS; i++)
        handed(life, i);
    power_vfs_start(cut_at);
    live(life);
    assert_true(!life->failed || power_vfs_is_cut()); /* a checkpoint may fail unnoticed */
    uint64_t operations = power_vfs_operations();
    power_vfs_lose(loss, seed);
    check(life);
    remove_all(&life->f);
    free(life);
    return operations;
}

static void power_loss_at_any_moment_keeps_every_promise(void **state) {
    (void)state;
    power_vfs_install(8);
    uint64_t operations = one_life(UINT64_MAX, POWER_LOSE_ALL, 0), lives = 0;
    assert_true(operations >= OPERATIONS_MIN); /* or the file system below SQLite is not ours */
    for (uint64_t cut_at = 0; cut_at < operations; cut_at++)
        for (int loss = 0; loss < POWER_LOSSES; loss++, lives++)
            (void)one_life(cut_at, (enum power_loss)loss, cut_at);
    print_message("%llu losses of power\n", (unsigned long long)lives);
}

static int setup(void **state) {
    (void)state;
    return sodium_init() < 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(power_loss_at_any_moment_keeps_every_promise)};
    return cmocka_run_group_tests(tests, setup, NULL);
}
