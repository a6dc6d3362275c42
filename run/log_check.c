#include "run/log_check.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/hex.h"
#include "base/pool.h"

struct checking {
    const struct ob_manifest *manifest;
    struct ob_store *store;
    struct ob_pool *pool;
    struct ob_admission *admission;
    ob_finding_fn tell;
    void *context;
    const struct ob_progress_callback *progress;
    uint64_t seen;
    struct ob_log_check result;
    /* of the machine that is being looked at */
    struct ob_standing standing;
    uint64_t refused; /* its records that do not count; the first one is told */
};

OB_PRINTF(2, 3) static void find(struct checking *c, const char *format, ...) {
    char text[OB_ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    c->result.findings++;
    c->tell(c->context, text);
}

/* An error that is about the log becomes a finding. */
static enum ob_err judge(struct checking *c, enum ob_err failed, const struct ob_error *why,
                         struct ob_error *error) {
    if (failed == OB_EIO || failed == OB_ENOMEM || failed == OB_EFULL)
        return ob_fail(error, failed, "%s", why->text);
    if (failed)
        find(c, "%s", why->text);
    return OB_OK;
}

/* ---- control entries ---- */

static const char *kind_name(int kind) {
    static const char *const NAMES[] = {"entry",   "goodbye",  "certificate", "revocation", "evidence",
                                        "address", "rotation", "invitation",  "admission",  "withdrawal"};
    static_assert(sizeof NAMES / sizeof *NAMES == OB_CONTROL_LAST + 1, "one for each kind");
    return kind >= OB_CONTROL_GOODBYE && kind <= OB_CONTROL_LAST ? NAMES[kind] : NAMES[0];
}

static bool is_in_its_row(const struct ob_store_entry *entry, const struct ob_control *control) {
    return entry->kind == (int)control->kind && entry->keys_fit &&
           ob_machine_equal(&entry->signer, &control->signer) &&
           ob_machine_equal(&entry->subject, &control->subject);
}

static enum ob_err take_entry(void *context, const struct ob_store_entry *entry, struct ob_error *error) {
    struct checking *c = context;
    struct ob_control control;
    struct ob_error why = {0};
    char key[OB_HEX_SHORT_MAX] = "(no key)";
    enum ob_err failed = ob_control_decode(entry->data, entry->bytes, &control, &why);
    if (!failed && !is_in_its_row(entry, &control))
        failed = ob_fail(&why, OB_EFORMAT, "it is in another entry's row");
    if (!failed)
        failed = ob_admission_add(c->admission, entry->data, entry->bytes, &why);
    if (failed == OB_ENOMEM)
        return ob_fail(error, failed, "%s", why.text);
    if (entry->keys_fit)
        ob_hex_short(&entry->subject, key);
    if (failed)
        find(c, "the %s of machine %s is damaged: %s", kind_name(entry->kind), key, why.text);
    return OB_OK;
}

static void count_entries(struct checking *c) {
    for (size_t i = 0; i < ob_admission_count(c->admission); i++) {
        const struct ob_control *control = ob_admission_entry(c->admission, i);
        if (!ob_admission_counts(c->admission, control))
            c->result.uncounted++;
        else if (control->kind == OB_CONTROL_CERTIFICATE)
            c->result.certificates++;
        else if (control->kind == OB_CONTROL_REVOCATION)
            c->result.revocations++;
        else if (control->kind == OB_CONTROL_EVIDENCE)
            c->result.evidence++;
        else if (control->kind == OB_CONTROL_ROTATION)
            c->result.rotations++;
        else
            c->result.others++;
    }
}

/* ---- records ---- */

static enum ob_err take_record(void *context, const struct ob_record *record, struct ob_error *error) {
    struct checking *c = context;
    char key[OB_HEX_SHORT_MAX];
    enum ob_err stopped = ob_progress_tell(c->progress, "verifying", ++c->seen, 0, error);
    if (stopped)
        return stopped;
    const char *why = ob_standing_refuses(&c->standing, record);
    if (!why) {
        c->result.records++;
        c->result.samples += record->n;
    } else if (c->refused++ == 0) {
        find(c, "machine %s: its record of sample %llu does not count: %s",
             ob_hex_short(&record->machine, key), (unsigned long long)record->first.index, why);
    }
    return OB_OK;
}

static enum ob_err take_machine(void *context, const struct ob_machine_id *machine, struct ob_error *error) {
    struct checking *c = context;
    struct ob_error why = {0};
    char key[OB_HEX_SHORT_MAX];
    c->standing = ob_admission_of(c->admission, machine);
    c->refused = 0;
    c->result.machines++;
    enum ob_err failed = ob_store_each_verified(c->store, machine, c->pool, take_record, c, &why);
    if (c->refused > 1)
        find(c, "machine %s: and %llu records after it", ob_hex_short(machine, key),
             (unsigned long long)(c->refused - 1));
    return judge(c, failed, &why, error);
}

static enum ob_err check(struct checking *c, struct ob_error *error) {
    struct ob_error why = {0};
    enum ob_err failed = ob_store_each_entry(c->store, take_entry, c, &why);
    if ((failed = judge(c, failed, &why, error)))
        return failed;
    ob_admission_settle(c->admission);
    count_entries(c);
    if ((failed = judge(c, ob_store_check_rows(c->store, &why), &why, error)))
        return failed;
    failed = ob_store_each_machine(c->store, take_machine, c, &why);
    return judge(c, failed, &why, error);
}

enum ob_err ob_log_check(const struct ob_manifest *manifest, struct ob_store *store, unsigned threads,
                         ob_finding_fn tell, void *context, const struct ob_progress_callback *progress,
                         struct ob_log_check *ret_check, struct ob_error *error) {
    struct checking c = {
        .manifest = manifest, .store = store, .tell = tell, .context = context, .progress = progress};
    enum ob_err failed = ob_admission_new(&manifest->run, &manifest->authority, &c.admission, error);
    if (!failed)
        failed = ob_pool_new(threads ? threads : ob_processors(), &c.pool, error);
    if (!failed)
        failed = check(&c, error);
    ob_pool_free(c.pool);
    ob_admission_free(c.admission);
    if (!failed)
        *ret_check = c.result;
    return failed;
}
