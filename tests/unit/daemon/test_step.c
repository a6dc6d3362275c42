/* A step cannot be entered again: an effect that ends a snapshot join leaves the peer alone until all effects are done, with
 * a real peer, log and transport. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/step.h"
#include "record/sign.h"
#include "tests/support/folder.h"

struct fixture {
    struct test_folder folder;
    struct ob_config config;
    struct ob_manifest manifest;
    struct ob_daemon *daemon;
    int submitted;
};

static size_t find_nothing(void *context, const struct ob_machine_id *machine, struct ob_sample sample,
                           uint8_t *ret_data) {
    (void)context, (void)machine, (void)sample, (void)ret_data;
    return 0;
}

static enum ob_err submit(void *owner, ob_task_fn run, void *task, struct ob_error *error) {
    struct fixture *f = owner;
    (void)run, (void)task, (void)error;
    f->submitted++;
    return OB_OK;
}

static enum ob_err no_wait(void *context, struct ob_error *error) {
    (void)context;
    return ob_fail(error, OB_EIO, "the disk is full");
}

static void open_parts(struct fixture *f) {
    struct ob_daemon *daemon = f->daemon;
    struct ob_store_options store = {.state_dir = f->folder.path,
                                     .run = f->manifest.run,
                                     .bounds = f->manifest.bounds,
                                     .machine = &daemon->identity.machine};
    struct ob_transport_options transport = {.secret_key = daemon->identity.secret_key};
    struct ob_peer_options peer = {
        .run = f->manifest.run,
        .machine = daemon->identity.machine,
        .instance = 1,
        .bounds = f->manifest.bounds,
        .may_start_alone = true,
        .machines_max = 8,
        .open = true,
        .crypto = {.context = daemon->identity.secret_key,
                   .sign = ob_record_ed25519_sign,
                   .verify = ob_record_ed25519_verify},
        .store = {.find = find_nothing},
    };
    assert_int_equal(ob_store_open(&store, &daemon->session.store, NULL), OB_OK);
    assert_int_equal(ob_transport_new(&transport, &daemon->session.transport, NULL), OB_OK);
    assert_int_equal(ob_peer_new(&peer, &daemon->session.peer, NULL), OB_OK);
    assert_int_equal(
        ob_snapshots_open(&daemon->snapshots, f->folder.path, &f->manifest, &daemon->logger, NULL), OB_OK);
}

static void make(struct fixture *f) {
    memset(f, 0, sizeof *f);
    test_folder_make(&f->folder);
    memset(&f->manifest.run, 7, sizeof f->manifest.run);
    f->manifest.bounds = (struct ob_record_bounds){
        .samples_per_round = 4, .max_machines = 8, .max_rounds = 100, .profiles = 1};
    static const uint64_t RATES[] = {1u << 20};
    f->manifest.rule = (struct ob_spsa_rule){.run = f->manifest.run,
                                             .code = {OB_SPSA_C0_DEFAULT, OB_SPSA_CODE_MAX_DEFAULT},
                                             .s0 = 64,
                                             .rounds_per_rate = 1,
                                             .rate_count = 1,
                                             .rates = RATES};
    f->daemon = calloc(1, sizeof *f->daemon);
    assert_non_null(f->daemon);
    struct ob_daemon *daemon = f->daemon;
    ob_identity_generate(&daemon->identity);
    atomic_store(&daemon->logger.least, OB_LOG_ERROR + 1);
    daemon->session = (struct ob_session){.config = &f->config,
                                          .logger = &daemon->logger,
                                          .lines = &daemon->lines,
                                          .movements = &daemon->movements,
                                          .identity = &daemon->identity,
                                          .manifest = &f->manifest};
    daemon->movements.rule = &f->manifest.rule;
    (void)snprintf(f->config.state_dir, sizeof f->config.state_dir, "%s", f->folder.path);
    open_parts(f);
    daemon->snapshot_context = (struct ob_snapshot_context){.logger = &daemon->logger,
                                                            .manifest = &f->manifest,
                                                            .state_dir = f->config.state_dir,
                                                            .machine = daemon->identity.machine,
                                                            .snapshots = &daemon->snapshots,
                                                            .store = daemon->session.store,
                                                            .transport = daemon->session.transport,
                                                            .peer = daemon->session.peer,
                                                            .owner = f,
                                                            .submit = submit};
    daemon->disk = (struct ob_disk_full){.logger = &daemon->logger, .wait = no_wait};
    daemon->performer = (struct ob_performer){.session = &daemon->session,
                                              .membership = &daemon->membership,
                                              .join = &daemon->join,
                                              .disk = &daemon->disk,
                                              .answers = &daemon->answers};
    assert_int_equal(ob_snapshot_join_start(&daemon->join, &daemon->snapshot_context, false, NULL), OB_OK);
}

static void done(struct fixture *f) {
    struct ob_daemon *daemon = f->daemon;
    ob_snapshot_join_free(&daemon->join);
    ob_peer_free(daemon->session.peer);
    ob_transport_free(daemon->session.transport);
    ob_store_close(daemon->session.store);
    ob_movements_done(&daemon->movements);
    free(daemon);
    test_folder_remove(&f->folder);
}

static void step(struct fixture *f, enum ob_event_kind kind) {
    struct ob_event event = {.kind = kind};
    assert_int_equal(ob_daemon_step(f->daemon, &event, NULL), OB_OK);
    assert_false(f->daemon->stepping);
}

/* A peer that is paused because a link has come and others may offer a snapshot. */
static void join(struct fixture *f) {
    struct ob_machine_id other;
    memset(&other, 3, sizeof other);
    ob_snapshot_join_linked(&f->daemon->join, &other);
    assert_int_equal(ob_daemon_drain(f->daemon, NULL), OB_OK);
    step(f, OB_EVENT_START);
    f->daemon->join.put_off = 1; /* the digest that the peer asks for waits: there is no compute thread */
    step(f, OB_EVENT_TICK);
    assert_true(f->daemon->performer.digest_waits);
    f->daemon->join.put_off = 0;
    assert_true(ob_pause_has(&f->daemon->pause, OB_PAUSE_JOINING));
    assert_int_equal(ob_peer_life(f->daemon->session.peer), OB_PEER_PAUSED);
}

static enum ob_err perform(struct fixture *f, enum ob_effect_kind kind) {
    struct ob_effect effect = {.kind = kind, .machine = f->daemon->identity.machine};
    return ob_perform(&f->daemon->performer, &effect, NULL);
}

static void unapply_ends_a_join_and_leaves_the_peer_alone(void **state) {
    (void)state;
    struct fixture f;
    make(&f);
    join(&f);
    f.daemon->pause.reasons |=
        1u << OB_PAUSE_OPERATOR; /* so that no round starts afterwards: there is no compute thread */
    assert_int_equal(perform(&f, OB_EFFECT_UNAPPLY), OB_OK);
    assert_int_equal(f.daemon->join.state, OB_JOIN_OFF);
    assert_int_equal(ob_peer_life(f.daemon->session.peer), OB_PEER_PAUSED); /* not stepped */
    assert_int_equal(f.daemon->queue.count, 0);
    assert_int_equal(ob_daemon_drain(f.daemon, NULL), OB_OK);
    assert_false(ob_pause_has(&f.daemon->pause, OB_PAUSE_JOINING));
    assert_int_equal(ob_peer_life(f.daemon->session.peer), OB_PEER_PAUSED); /* the operator's */
    done(&f);
}

/* What was put off goes to the compute thread within the effect, once, and training stays paused until it is replayed. */
static void unapply_hands_over_what_was_put_off(void **state) {
    (void)state;
    struct fixture f;
    make(&f);
    join(&f);
    assert_true(ob_snapshot_join_puts_off(&f.daemon->join));
    assert_int_equal(perform(&f, OB_EFFECT_UNAPPLY), OB_OK);
    assert_int_equal(perform(&f, OB_EFFECT_UNAPPLY), OB_OK);
    assert_int_equal(f.submitted, 1);
    assert_int_equal(f.daemon->join.state, OB_JOIN_REPLAYING);
    assert_int_equal(ob_daemon_drain(f.daemon, NULL), OB_OK);
    assert_true(ob_pause_has(&f.daemon->pause, OB_PAUSE_JOINING));
    assert_int_equal(ob_peer_life(f.daemon->session.peer), OB_PEER_PAUSED);
    done(&f);
}

/* Pauses that come and go between two steps reach the peer in order, each once. */
static void queue_is_drained_after_a_step(void **state) {
    (void)state;
    struct fixture f;
    make(&f);
    join(&f);
    ob_daemon_pause(f.daemon, OB_PAUSE_OPERATOR, true);
    assert_int_equal(f.daemon->queue.count, 0); /* paused already */
    f.daemon->join.put_off = 1;
    f.daemon->join.holds_training = false;
    step(&f, OB_EVENT_TICK);
    f.daemon->join.put_off = 0;
    assert_int_equal(ob_peer_life(f.daemon->session.peer), OB_PEER_PAUSED);
    assert_int_equal(f.daemon->pause.reasons, 1u << OB_PAUSE_OPERATOR);
    done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unapply_ends_a_join_and_leaves_the_peer_alone),
        cmocka_unit_test(unapply_hands_over_what_was_put_off),
        cmocka_unit_test(queue_is_drained_after_a_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
