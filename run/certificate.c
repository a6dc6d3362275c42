#include "run/certificate.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/hex.h"

#define HEAD       "onebyte-certificate-1 "
#define HEAD_BYTES (sizeof HEAD - 1)
#define TEXT_MAX   (HEAD_BYTES + 2 * OB_CONTROL_PLAIN_BYTES_MAX + 1)

void ob_time_to_text(uint64_t wall_s, char ret_text[OB_TIME_TEXT_MAX]) {
    time_t seconds = (time_t)wall_s;
    struct tm parts;
    if (wall_s == 0)
        (void)snprintf(ret_text, OB_TIME_TEXT_MAX, "never");
    else if (wall_s > (uint64_t)1 << 40 || !gmtime_r(&seconds, &parts) ||
             strftime(ret_text, OB_TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        (void)snprintf(ret_text, OB_TIME_TEXT_MAX, "second %llu", (unsigned long long)wall_s);
}

enum ob_err ob_certificate_file_parse(const char *name, const char *text, size_t bytes,
                                      struct ob_certificate_file *ret_file, struct ob_error *error) {
    struct ob_certificate_file file = {.entry_bytes = 0};
    while (bytes > 0 && (text[bytes - 1] == '\n' || text[bytes - 1] == '\r'))
        bytes--;
    const char *digits = text + HEAD_BYTES;
    if (bytes <= HEAD_BYTES || bytes >= TEXT_MAX || memcmp(text, HEAD, HEAD_BYTES) != 0 ||
        sodium_hex2bin(file.entry, sizeof file.entry, digits, bytes - HEAD_BYTES, NULL, &file.entry_bytes,
                       NULL) != 0 ||
        2 * file.entry_bytes != bytes - HEAD_BYTES)
        return ob_fail(error, OB_EFORMAT, "%s: not a certificate; `onebyte invite` creates one", name);
    struct ob_error why = {0};
    enum ob_err failed = ob_control_decode(file.entry, file.entry_bytes, &file.control, &why);
    if (failed)
        return ob_fail(error, failed, "%s: damaged or truncated; copy the certificate again (%s)", name,
                       why.text);
    if (file.control.kind != OB_CONTROL_CERTIFICATE)
        return ob_fail(error, OB_EFORMAT, "%s: not a certificate, but a control entry of kind %d", name,
                       (int)file.control.kind);
    *ret_file = file;
    failed = ob_control_decode(ret_file->entry, ret_file->entry_bytes, &ret_file->control, error);
    ret_file->certificate = ob_control_certificate(&ret_file->control);
    return failed;
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

enum ob_err ob_certificate_file_write(const char *path, const struct ob_identity *authority,
                                      const struct ob_machine_id *machine, uint64_t sequence,
                                      const struct ob_certificate *certificate, struct ob_error *error) {
    uint8_t payload[OB_CONTROL_PLAIN_MAX], entry[OB_CONTROL_PLAIN_BYTES_MAX];
    char text[TEXT_MAX + 1];
    struct ob_control control = {.kind = OB_CONTROL_CERTIFICATE,
                                 .signer = authority->machine,
                                 .subject = *machine,
                                 .sequence = sequence,
                                 .payload = payload};
    enum ob_err failed = ob_certificate_encode(certificate, payload, &control.payload_bytes, error);
    if (failed)
        return failed;
    size_t bytes = ob_control_sign(&certificate->run, &control, authority->secret_key, entry);
    memcpy(text, HEAD, HEAD_BYTES);
    ob_hex_encode(entry, bytes, text + HEAD_BYTES);
    size_t length = HEAD_BYTES + 2 * bytes;
    text[length++] = '\n';
    return ob_file_write_new(path, text, length, 0644, error);
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
    if (ob_machine_equal(&file->control.signer,
                         &manifest->authority)) /* each run has an authority of its own */
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
    if (!ob_control_verify(&certificate->run, &file->control))
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
