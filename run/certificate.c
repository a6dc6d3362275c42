#include "run/certificate.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/hex.h"

#define HEAD           "onebyte-certificate-1 "
#define INVITED_HEAD   "onebyte-certificate-2 "
#define HEAD_BYTES     (sizeof HEAD - 1)
#define RUN_TEXT_BYTES (2 * OB_HASH_BYTES + 1)
#define TEXT_MAX       (HEAD_BYTES + RUN_TEXT_BYTES + 2 * OB_INVITED_BYTES_MAX + 1)

static_assert(OB_CONTROL_PLAIN_BYTES_MAX <= OB_INVITED_BYTES_MAX, "a certificate is no longer");
static_assert(sizeof HEAD == sizeof INVITED_HEAD, "one length");

void ob_time_to_text(uint64_t wall_s, char ret_text[OB_TIME_TEXT_MAX]) {
    time_t seconds = (time_t)wall_s;
    struct tm parts;
    if (wall_s == 0)
        (void)snprintf(ret_text, OB_TIME_TEXT_MAX, "never");
    else if (wall_s > (uint64_t)1 << 40 || !gmtime_r(&seconds, &parts) ||
             strftime(ret_text, OB_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        (void)snprintf(ret_text, OB_TIME_TEXT_MAX, "second %llu", (unsigned long long)wall_s);
}

/* Decodes `entry`, which the struct owns. */
static enum ob_err take_entries(struct ob_certificate_file *file, struct ob_error *error) {
    if (!file->invited) {
        enum ob_err failed = ob_control_decode(file->entry, file->entry_bytes, &file->control, error);
        if (failed || file->control.kind != OB_CONTROL_CERTIFICATE)
            return failed ? failed
                          : ob_fail(error, OB_EFORMAT, "a control entry of kind %d", (int)file->control.kind);
        file->certificate = ob_control_certificate(&file->control);
        file->authority = file->control.signer;
        return OB_OK;
    }
    enum ob_err failed =
        ob_invited_decode(file->entry, file->entry_bytes, &file->invitation, &file->control, error);
    if (failed)
        return failed;
    const struct ob_run_id run = file->certificate.run;
    struct ob_invitation says = ob_control_invitation(&file->invitation);
    file->certificate =
        ob_invitation_certificate(&run, &says, ob_control_admission_name(&file->control).text);
    file->authority = file->invitation.signer;
    return OB_OK;
}

void ob_certificate_file_copy(const struct ob_certificate_file *from, struct ob_certificate_file *ret_file) {
    *ret_file = *from;
    enum ob_err failed = take_entries(ret_file, NULL);
    assert(!failed); /* it was decoded before */
    (void)failed;
}

enum ob_err ob_certificate_file_parse(const char *name, const char *text, size_t bytes,
                                      struct ob_certificate_file *ret_file, struct ob_error *error) {
    struct ob_certificate_file file = {.entry_bytes = 0};
    size_t run_bytes = 0;
    while (bytes > 0 && (text[bytes - 1] == '\n' || text[bytes - 1] == '\r'))
        bytes--;
    bool good = bytes > HEAD_BYTES && bytes < TEXT_MAX;
    file.invited = good && memcmp(text, INVITED_HEAD, HEAD_BYTES) == 0;
    good = good && (file.invited || memcmp(text, HEAD, HEAD_BYTES) == 0);
    const char *digits = text + HEAD_BYTES;
    if (file.invited) {
        good = bytes > HEAD_BYTES + RUN_TEXT_BYTES && digits[RUN_TEXT_BYTES - 1] == ' ' &&
               ob_hex_decode_counted(digits, RUN_TEXT_BYTES - 1, OB_HASH_BYTES,
                                     file.certificate.run.hash.bytes, &run_bytes);
        digits += RUN_TEXT_BYTES;
    }
    if (!good || !ob_hex_decode_counted(digits, (size_t)(text + bytes - digits), sizeof file.entry,
                                        file.entry, &file.entry_bytes))
        return ob_fail(error, OB_EFORMAT, "%s: not a certificate; `onebyte invite` creates one", name);
    struct ob_error why = {0};
    enum ob_err failed = take_entries(&file, &why);
    if (failed)
        return ob_fail(error, failed, "%s: damaged or truncated; copy the certificate again (%s)", name,
                       why.text);
    ob_certificate_file_copy(&file, ret_file);
    return OB_OK;
}

enum ob_err ob_certificate_file_read(const char *path, struct ob_certificate_file *ret_file,
                                     struct ob_error *error) {
    char *text = NULL;
    size_t bytes = 0;
    enum ob_err failed = ob_file_read(path, TEXT_MAX, &text, &bytes, error);
    if (failed == OB_ETOOBIG)
        return ob_fail(error, OB_EFORMAT, "%s: not a certificate; `onebyte invite` creates one", path);
    if (failed)
        return failed;
    failed = ob_certificate_file_parse(path, text, bytes, ret_file, error);
    free(text);
    return failed;
}

static enum ob_err write_line(const char *path, const char *head, const uint8_t *entries, size_t bytes,
                              struct ob_error *error) {
    char text[TEXT_MAX + 2];
    size_t length = strlen(head);
    assert(bytes <= OB_INVITED_BYTES_MAX && length <= HEAD_BYTES + RUN_TEXT_BYTES);
    memcpy(text, head, length);
    ob_hex_encode(entries, bytes, text + length);
    length += 2 * bytes;
    text[length++] = '\n';
    return ob_file_write_new(path, text, length, 0644, error);
}

enum ob_err ob_certificate_file_write(const char *path, const struct ob_identity *authority,
                                      const struct ob_machine_id *machine, uint64_t sequence,
                                      const struct ob_certificate *certificate, struct ob_error *error) {
    uint8_t payload[OB_CONTROL_PLAIN_MAX], entry[OB_CONTROL_PLAIN_BYTES_MAX];
    struct ob_control control = {.kind = OB_CONTROL_CERTIFICATE,
                                 .signer = authority->machine,
                                 .subject = *machine,
                                 .sequence = sequence,
                                 .payload = payload};
    enum ob_err failed = ob_certificate_encode(certificate, payload, &control.payload_bytes, error);
    if (failed)
        return failed;
    size_t bytes = ob_control_sign(&certificate->run, &control, authority->secret_key, entry);
    return write_line(path, HEAD, entry, bytes, error);
}

enum ob_err ob_certificate_file_write_invited(const char *path, const struct ob_run_id *run,
                                              const uint8_t *entries, size_t bytes, struct ob_error *error) {
    char head[HEAD_BYTES + RUN_TEXT_BYTES + 1] = INVITED_HEAD;
    ob_hex_encode(run->hash.bytes, OB_HASH_BYTES, head + HEAD_BYTES);
    memcpy(head + HEAD_BYTES + RUN_TEXT_BYTES - 1, " ", 2);
    return write_line(path, head, entries, bytes, error);
}

enum ob_err ob_certificate_file_check_run(const char *path, const struct ob_certificate_file *file,
                                          const char *manifest_path, const struct ob_manifest *manifest,
                                          struct ob_error *error) {
    char held[OB_HEX_KEY_MAX], wanted[OB_HEX_KEY_MAX];
    const struct ob_run_id *run = &file->certificate.run;
    if (ob_hash_equal(&run->hash, &manifest->run.hash))
        return OB_OK;
    ob_hex_encode(run->hash.bytes, OB_HASH_BYTES, wanted);
    ob_hex_encode(manifest->run.hash.bytes, OB_HASH_BYTES, held);
    if (ob_machine_equal(&file->authority, &manifest->authority)) /* each run has an authority of its own */
        return ob_fail(error, OB_EMISMATCH,
                       "%s: was changed after the run was created: its hash is %.16s..., the run's is "
                       "%.16s... (%s, signed by "
                       "the authority that it names); put the original back (every machine of the run has "
                       "it), or remove it: "
                       "the daemon fetches it from a peer",
                       manifest_path, held, wanted, path);
    return ob_fail(
        error, OB_EMISMATCH,
        "%s: the certificate is for another run (%.16s...) than the manifest %s, whose hash is %.16s...: if "
        "that file was edited or reformatted, put the original back; else use the run.json of the "
        "certificate's "
        "run, or ask for a certificate for this one (`onebyte invite`)",
        path, wanted, manifest_path, held);
}

enum ob_err ob_certificate_file_check(const char *path, const struct ob_certificate_file *file,
                                      const struct ob_machine_id *machine, uint64_t wall_s,
                                      struct ob_error *error) {
    char text[OB_HEX_KEY_MAX], time_text[OB_TIME_TEXT_MAX];
    const struct ob_certificate *certificate = &file->certificate;
    if (!ob_machine_equal(&file->control.subject, machine)) {
        ob_machine_to_text(&file->control.subject, text);
        return ob_fail(error, OB_EMISMATCH,
                       "%s: the certificate was issued to machine %.16s..., not to this one", path, text);
    }
    if (!ob_control_verify(&certificate->run, &file->control) ||
        (file->invited && !ob_control_verify(&certificate->run, &file->invitation)))
        return ob_fail(error, OB_EREFUSED,
                       "%s: the certificate's signature does not verify; the file was changed", path);
    if (wall_s > 0 && certificate->expiry_s > 0 && wall_s >= certificate->expiry_s) {
        ob_time_to_text(certificate->expiry_s, time_text);
        return ob_fail(
            error, OB_ETIMEOUT,
            "%s: the certificate has expired (%s); ask the run's authority to renew it (`onebyte renew`)",
            path, time_text);
    }
    return OB_OK;
}
