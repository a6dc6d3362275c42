/* Certificate files: written, read, checked; every changed byte is noticed. */
#include "tests/unit/cmocka_all.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hex.h"
#include "run/certificate.h"
#include "tests/support/folder.h"

struct fixture {
    struct test_folder folder;
    char path[TEST_PATH_MAX];
    struct ob_identity authority, machine, other;
    struct ob_certificate certificate;
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    if (!f || sodium_init() < 0)
        return -1;
    test_folder_make(&f->folder);
    test_folder_path(&f->folder, "certificate", f->path);
    ob_identity_generate(&f->authority), ob_identity_generate(&f->machine), ob_identity_generate(&f->other);
    f->certificate =
        (struct ob_certificate){.expiry_s = 2000, .last_round = 77, .name_bytes = 5, .name = "alice"};
    memset(f->certificate.run.hash.bytes, 7, OB_HASH_BYTES);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    test_folder_remove(&f->folder), free(f);
    return 0;
}

static void write_good(const struct fixture *f) {
    assert_int_equal(
        ob_certificate_file_write(f->path, &f->authority, &f->machine.machine, 5, &f->certificate, NULL),
        OB_OK);
}

static void written_is_read(void **state) {
    struct fixture *f = *state;
    struct ob_certificate_file file;
    write_good(f);
    assert_int_equal(
        ob_certificate_file_write(f->path, &f->authority, &f->machine.machine, 5, &f->certificate, NULL),
        OB_EBUSY);
    assert_int_equal(ob_certificate_file_read(f->path, &file, NULL), OB_OK);
    assert_string_equal(file.certificate.name, "alice");
    assert_int_equal(file.certificate.expiry_s, 2000);
    assert_int_equal(file.certificate.last_round, 77);
    assert_int_equal(file.control.sequence, 5);
    assert_true(ob_machine_equal(&file.control.signer, &f->authority.machine));
    assert_int_equal(ob_certificate_file_check(f->path, &file, &f->machine.machine, 1999, NULL), OB_OK);
}

static void what_is_wrong_is_named(void **state) {
    struct fixture *f = *state;
    struct ob_certificate_file file;
    struct ob_error error = {0};
    write_good(f);
    assert_int_equal(ob_certificate_file_read(f->path, &file, NULL), OB_OK);
    assert_int_equal(ob_certificate_file_check(f->path, &file, &f->other.machine, 0, &error), OB_EMISMATCH);
    assert_non_null(strstr(error.text, "not to this one"));
    assert_int_equal(ob_certificate_file_check(f->path, &file, &f->machine.machine, 2000, &error),
                     OB_ETIMEOUT);
    assert_non_null(strstr(error.text, "1970-01-01T00:33:20Z"));
    assert_non_null(strstr(error.text, "onebyte renew"));
    assert_non_null(strstr(error.text, f->path));
}

/* Another hash is another run: whose manifest was changed is told from what never belonged together. */
static void a_manifest_of_another_hash_is_named(void **state) {
    struct fixture *f = *state;
    struct ob_certificate_file file;
    struct ob_error error = {0};
    struct ob_manifest manifest = {.run = f->certificate.run, .authority = f->authority.machine};
    write_good(f);
    assert_int_equal(ob_certificate_file_read(f->path, &file, NULL), OB_OK);
    assert_int_equal(ob_certificate_file_check_run(f->path, &file, "D/run.json", &manifest, &error), OB_OK);
    manifest.run.hash.bytes[0] ^= 0xff;
    char held[OB_HEX_KEY_MAX], wanted[OB_HEX_KEY_MAX];
    ob_hex_encode(manifest.run.hash.bytes, 8, held);
    ob_hex_encode(f->certificate.run.hash.bytes, 8, wanted);
    assert_int_equal(ob_certificate_file_check_run(f->path, &file, "D/run.json", &manifest, &error),
                     OB_EMISMATCH);
    assert_non_null(strstr(error.text, "D/run.json: was changed"));
    assert_non_null(strstr(error.text, held));
    assert_non_null(strstr(error.text, wanted));
    assert_non_null(strstr(error.text, f->path));
    assert_non_null(strstr(error.text, "put the original back"));
    manifest.authority = f->other.machine;
    assert_int_equal(ob_certificate_file_check_run(f->path, &file, "D/run.json", &manifest, &error),
                     OB_EMISMATCH);
    assert_non_null(strstr(error.text, "for another run"));
    assert_non_null(strstr(error.text, "D/run.json"));
    assert_non_null(strstr(error.text, held));
    assert_non_null(strstr(error.text, wanted));
    assert_non_null(strstr(error.text, "onebyte invite"));
}

static void changed_bytes_are_refused(void **state) {
    struct fixture *f = *state;
    char *text = NULL;
    size_t bytes = 0, refused = 0;
    write_good(f);
    assert_int_equal(ob_file_read(f->path, 4096, &text, &bytes, NULL), OB_OK);
    for (size_t i = 0; i + 1 < bytes; i++) {
        struct ob_certificate_file file;
        char before = text[i];
        text[i] = before == '0' ? '1' : '0';
        bool good = ob_certificate_file_parse("f", text, bytes, &file, NULL) == OB_OK &&
                    ob_certificate_file_check("f", &file, &f->machine.machine, 1, NULL) == OB_OK;
        refused += !good;
        text[i] = before;
    }
    assert_int_equal(refused, bytes - 1);
    for (size_t cut = 0; cut + 1 < bytes; cut++) {
        struct ob_certificate_file file;
        assert_int_not_equal(ob_certificate_file_parse("f", text, cut, &file, NULL), OB_OK);
    }
    free(text);
}

/* The invitation with its key, and the admission by it. */
static size_t make_invited(const struct fixture *f, uint8_t *ret_entries) {
    struct ob_identity key;
    uint8_t payload[OB_INVITATION_BYTES_MAX];
    size_t more = 0;
    struct ob_invitation says = {.member_expiry_s = 3000, .last_round = 9, .uses = 2, .pattern = "node-*"};
    ob_identity_generate(&key);
    struct ob_control control = {.kind = OB_CONTROL_INVITATION,
                                 .signer = f->authority.machine,
                                 .subject = key.machine,
                                 .sequence = 4,
                                 .payload = payload};
    assert_int_equal(ob_invitation_encode(&says, payload, &control.payload_bytes, NULL), OB_OK);
    size_t bytes = ob_control_sign(&f->certificate.run, &control, f->authority.secret_key, ret_entries);
    assert_int_equal(ob_invited_admit(&f->certificate.run, &says, key.secret_key, &f->machine.machine,
                                      "node-1", ret_entries + bytes, &more, NULL),
                     OB_OK);
    return bytes + more;
}

static void invited_is_read_as_a_certificate(void **state) {
    struct fixture *f = *state;
    uint8_t entries[OB_INVITED_BYTES_MAX];
    struct ob_certificate_file read, file;
    size_t bytes = make_invited(f, entries);
    assert_int_equal(ob_certificate_file_write_invited(f->path, &f->certificate.run, entries, bytes, NULL),
                     OB_OK);
    assert_int_equal(ob_certificate_file_read(f->path, &read, NULL), OB_OK);
    ob_certificate_file_copy(&read, &file);
    memset(&read, 0, sizeof read);
    assert_true(file.invited && ob_machine_equal(&file.authority, &f->authority.machine));
    assert_string_equal(file.certificate.name, "node-1");
    assert_true(file.certificate.expiry_s == 3000 && file.certificate.last_round == 9);
    assert_true(ob_hash_equal(&file.certificate.run.hash, &f->certificate.run.hash));
    assert_int_equal(ob_certificate_file_check(f->path, &file, &f->machine.machine, 2999, NULL), OB_OK);
    assert_int_equal(ob_certificate_file_check(f->path, &file, &f->machine.machine, 3000, NULL), OB_ETIMEOUT);
    assert_int_equal(ob_certificate_file_check(f->path, &file, &f->other.machine, 0, NULL), OB_EMISMATCH);
    char *text = NULL;
    size_t length = 0;
    assert_int_equal(ob_file_read(f->path, 4096, &text, &length, NULL), OB_OK);
    for (size_t i = 0; i < length - 1; i++) {
        char kept = text[i];
        text[i] = kept == '0' ? '1' : '0';
        enum ob_err failed = ob_certificate_file_parse("f", text, length, &file, NULL);
        assert_true(failed || ob_certificate_file_check("f", &file, &f->machine.machine, 0, NULL));
        text[i] = kept;
        assert_int_not_equal(ob_certificate_file_parse("f", text, i, &file, NULL), OB_OK);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(written_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_manifest_of_another_hash_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(changed_bytes_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(invited_is_read_as_a_certificate, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
