/* fuzz_certificate - any bytes as a certificate file: what is accepted is one control entry of that kind,
 * says the same when it is written down again, and fits a hello. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "daemon/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check(const struct ob_certificate_file *file) {
    uint8_t again[OB_INVITED_BYTES_MAX], hello[OB_HELLO_MAX];
    struct ob_error error = {0};
    enum ob_control_kind kind = file->invited ? OB_CONTROL_ADMISSION : OB_CONTROL_CERTIFICATE;
    assert(file->entry_bytes <= sizeof file->entry && file->control.kind == kind);
    assert(file->control.payload >= file->entry && file->control.payload < file->entry + file->entry_bytes);
    size_t first = file->invited ? ob_control_encode(&file->invitation, again) : 0;
    assert(first + ob_control_encode(&file->control, again + first) == file->entry_bytes);
    assert(memcmp(again, file->entry, file->entry_bytes) == 0);
    assert(strlen(file->certificate.name) == file->certificate.name_bytes);
    assert(ob_hello_encode(file, hello) <= sizeof hello);
    struct ob_machine_id other = file->control.subject;
    other.key[0] ^= 1;
    assert(ob_certificate_file_check("input", file, &other, 0, &error) == OB_EMISMATCH);
    (void)ob_control_verify(&file->certificate.run, &file->control);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct ob_certificate_file file;
    struct ob_error error = {0};
    if (ob_certificate_file_parse("input", (const char *)data, bytes, &file, &error) != OB_OK) {
        assert(error.text[0] != 0);
        return 0;
    }
    check(&file);
    return 0;
}
