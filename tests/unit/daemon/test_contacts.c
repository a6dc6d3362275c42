/* Where a daemon tries to reach others, over a real transport whose connections come to nothing. */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "daemon/contacts.h"
#include "transport/identity.h"

#define A "tcp://127.0.0.1:9"
#define B "tcp://127.0.0.1:19"
#define C "tcp://127.0.0.1:29"

struct fixture {
    struct ob_logger logger;
    struct ob_identity self, others[2];
    struct ob_transport *transport;
    struct ob_contacts *contacts;
};

static void make(struct fixture *f, bool with_hello) {
    *f = (struct fixture){.logger = {.least = OB_LOG_ERROR}};
    ob_identity_generate(&f->self);
    for (size_t i = 0; i < 2; i++)
        ob_identity_generate(&f->others[i]);
    struct ob_transport_options transport = {.secret_key = f->self.secret_key};
    assert_int_equal(ob_transport_new(&transport, &f->transport, NULL), OB_OK);
    struct ob_contacts_options options = {.transport = f->transport,
                                          .logger = &f->logger,
                                          .self = f->self.machine,
                                          .hello = (const uint8_t *)"hello",
                                          .hello_bytes = with_hello ? 5 : 0};
    assert_int_equal(ob_contacts_new(&options, &f->contacts, NULL), OB_OK);
}

static void done(struct fixture *f) {
    ob_contacts_free(f->contacts);
    ob_transport_free(f->transport);
}

static const char *where(const struct fixture *f, size_t other) {
    return ob_transport_endpoint(f->transport, &f->others[other].machine);
}

static void set(struct fixture *f, size_t other, enum ob_place place, const char *endpoint) {
    ob_contacts_set(f->contacts, &f->others[other].machine, place, endpoint, 100);
}

static void silence(struct fixture *f, size_t other, uint64_t now_s) {
    ob_contacts_answer(f->contacts, &f->others[other].machine, OB_VERDICT_SILENCE, now_s);
}

static void latest_place_is_tried_first_then_each_in_turn(void **state) {
    (void)state;
    struct fixture f;
    make(&f, true);
    set(&f, 0, OB_PLACE_CONFIGURED, A);
    assert_string_equal(where(&f, 0), A);
    set(&f, 0, OB_PLACE_SIGNED, B);
    assert_string_equal(where(&f, 0), B);
    set(&f, 0, OB_PLACE_HINT, C);
    assert_string_equal(where(&f, 0), C);
    static const char *const TURNS[] = {B, A, C, B};
    uint64_t now = 200;
    for (size_t i = 0; i < sizeof TURNS / sizeof *TURNS; i++, now += 100) {
        silence(&f, 0, now);
        ob_contacts_tend(f.contacts, now + 90);
        assert_string_equal(where(&f, 0), TURNS[i]);
    }
    set(&f, 0, OB_PLACE_SIGNED, ""); /* no longer there: another of its places */
    assert_string_not_equal(where(&f, 0), B);
    done(&f);
}

static void machine_without_a_place_is_forgotten(void **state) {
    (void)state;
    struct fixture f;
    make(&f, true);
    set(&f, 0, OB_PLACE_SIGNED, A);
    set(&f, 0, OB_PLACE_SIGNED, "");
    assert_string_equal(where(&f, 0), "");
    ob_contacts_tend(f.contacts, 1000);
    assert_string_equal(where(&f, 0), "");
    done(&f);
}

static void hint_is_forgotten_after_silent_doors(void **state) {
    (void)state;
    struct fixture f;
    make(&f, true);
    set(&f, 0, OB_PLACE_HINT, A);
    set(&f, 1, OB_PLACE_CONFIGURED, B);
    for (uint64_t i = 0; i < 3; i++) {
        assert_string_equal(where(&f, 0), A);
        silence(&f, 0, 100 + i);
        silence(&f, 1, 100 + i);
    }
    assert_string_equal(where(&f, 0), "");
    assert_string_equal(where(&f, 1), B); /* what is configured stays */
    done(&f);
}

static void hints_are_bounded(void **state) {
    (void)state;
    struct fixture f;
    make(&f, false);
    size_t kept = 0;
    for (size_t i = 0; i < 100; i++) {
        struct ob_identity somebody;
        char endpoint[64];
        ob_identity_generate(&somebody);
        (void)snprintf(endpoint, sizeof endpoint, "tcp://127.0.0.1:%zu", 1000 + i);
        ob_contacts_set(f.contacts, &somebody.machine, OB_PLACE_HINT, endpoint, 100);
        kept += ob_transport_endpoint(f.transport, &somebody.machine)[0] != 0;
    }
    assert_int_equal(kept, 64);
    set(&f, 0, OB_PLACE_SIGNED, A); /* a signed address has room all the same */
    assert_string_equal(where(&f, 0), A);
    done(&f);
}

static void expelled_machine_is_not_tried(void **state) {
    (void)state;
    struct fixture f;
    make(&f, true);
    set(&f, 0, OB_PLACE_SIGNED, A);
    ob_contacts_expel(f.contacts, &f.others[0].machine, true);
    ob_transport_disconnect(f.transport, &f.others[0].machine);
    set(&f, 0, OB_PLACE_SIGNED, B);
    ob_contacts_tend(f.contacts, 1000);
    ob_contacts_answer(f.contacts, &f.others[0].machine, OB_VERDICT_WELCOME, 1000);
    assert_string_equal(where(&f, 0), "");
    ob_contacts_expel(f.contacts, &f.others[0].machine, false);
    ob_contacts_tend(f.contacts, 1001);
    assert_string_equal(where(&f, 0), B);
    done(&f);
}

static void ourselves_and_endless_endpoints_are_passed_over(void **state) {
    (void)state;
    struct fixture f;
    char endless[OB_ENDPOINT_MAX + 8];
    make(&f, true);
    ob_contacts_set(f.contacts, &f.self.machine, OB_PLACE_SIGNED, A, 100);
    assert_string_equal(ob_transport_endpoint(f.transport, &f.self.machine), "");
    memset(endless, '1', sizeof endless - 1);
    endless[sizeof endless - 1] = 0;
    set(&f, 0, OB_PLACE_SIGNED, endless);
    assert_string_equal(where(&f, 0), "");
    done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(latest_place_is_tried_first_then_each_in_turn),
        cmocka_unit_test(machine_without_a_place_is_forgotten),
        cmocka_unit_test(hint_is_forgotten_after_silent_doors),
        cmocka_unit_test(hints_are_bounded),
        cmocka_unit_test(expelled_machine_is_not_tried),
        cmocka_unit_test(ourselves_and_endless_endpoints_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
