/* certificate - a machine's admission to a run as a file that can be sent by mail.
 *
 * One line of text: "onebyte-certificate-1 " and the control entry of kind certificate (record/control.h) in
 * hexadecimal digits; or, for a machine that an invitation admits, "onebyte-certificate-2 ", the run id, a space, and
 * the entries of the invitation and of its admission, one behind the other (record/invited.h). It holds no secret: it
 * helps only the machine whose key it names.
 *
 * Errors:  OB_ENOTFOUND, OB_EFORMAT, OB_ETOOBIG, OB_EBUSY (a file to be written is there) name the file;
 *          ret_* are untouched.
 * Owns:    nothing. */
#ifndef OB_RUN_CERTIFICATE_H
#define OB_RUN_CERTIFICATE_H

#include "record/invited.h"
#include "run/manifest.h"
#include "transport/identity.h"

struct ob_certificate_file {
    uint8_t entry[OB_INVITED_BYTES_MAX]; /* or two entries */
    size_t entry_bytes;
    /* They point into `entry`: copy the struct with ob_certificate_file_copy. */
    struct ob_control control; /* the certificate, or the admission: its subject is the machine */
    struct ob_control invitation;
    bool invited;
    struct ob_certificate certificate; /* or what the admission amounts to */
    struct ob_machine_id authority;    /* whose signature it goes back to */
};

void ob_certificate_file_copy(const struct ob_certificate_file *from, struct ob_certificate_file *ret_file);

OB_MUST_USE enum ob_err ob_certificate_file_read(const char *path, struct ob_certificate_file *ret_file,
                                                 struct ob_error *error);
OB_MUST_USE enum ob_err ob_certificate_file_parse(const char *name, const char *text, size_t bytes,
                                                  struct ob_certificate_file *ret_file,
                                                  struct ob_error *error);
/* Signs with the authority's key and writes a new file. */
OB_MUST_USE enum ob_err ob_certificate_file_write(const char *path, const struct ob_identity *authority,
                                                  const struct ob_machine_id *machine, uint64_t sequence,
                                                  const struct ob_certificate *certificate,
                                                  struct ob_error *error);
/* A new file of the two entries that an invitation and its key make. */
OB_MUST_USE enum ob_err ob_certificate_file_write_invited(const char *path, const struct ob_run_id *run,
                                                          const uint8_t *entries, size_t bytes,
                                                          struct ob_error *error);
/* Is it for the run whose manifest was read from manifest_path? OB_EMISMATCH says which hashes differ and what to do: whether
 * the manifest was changed, which makes another run of it, or whether the two never belonged together. */
OB_MUST_USE enum ob_err ob_certificate_file_check_run(const char *path,
                                                      const struct ob_certificate_file *file,
                                                      const char *manifest_path,
                                                      const struct ob_manifest *manifest,
                                                      struct ob_error *error);
/* Is it this machine's … with texts that name the file and say what to do. The expiry is looked at when wall_s is not 0; whether the signer is the run's authority is for the control
 * table to say. */
OB_MUST_USE enum ob_err ob_certificate_file_check(const char *path, const struct ob_certificate_file *file,
                                                  const struct ob_machine_id *machine, uint64_t wall_s,
                                                  struct ob_error *error);

/* "2027-01-31T12:00:00Z", or "never" for 0. */
#define OB_TIME_TEXT_MAX 32
void ob_time_to_text(uint64_t wall_s, char ret_text[OB_TIME_TEXT_MAX]);

#endif
