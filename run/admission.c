#include "run/admission.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"

struct entry {
    uint8_t *data; /* owned */
    size_t bytes;
    struct ob_control control; /* points into data */

    /* Of an admission, once settled: it counts; and on the way there: it is allowed, so many of its invitation
     * may, its place among those. */
    bool counts;
    size_t uses;
    struct ob_hash rank;
};

struct authority {
    struct ob_machine_id key;
    uint64_t until; /* what it signed with a smaller sequence counts */
};

struct ob_admission {
    struct ob_run_id run;
    size_t count, max;
    struct entry *entries; /* in order once settled */
    bool settled;
    size_t authority_count;
    struct authority authorities[OB_AUTHORITIES_MAX];
};

enum ob_err ob_admission_new(const struct ob_run_id *run, const struct ob_machine_id *authority,
                             struct ob_admission **ret_admission, struct ob_error *error) {
    struct ob_admission *a = calloc(1, sizeof *a);
    if (!a)
        return ob_fail(error, OB_ENOMEM, "not enough memory for the control entries");
    a->run = *run;
    a->authority_count = 1;
    a->authorities[0] = (struct authority){*authority, UINT64_MAX};
    *ret_admission = a;
    return OB_OK;
}

void ob_admission_free(struct ob_admission *a) {
    if (!a)
        return;
    for (size_t i = 0; i < a->count; i++)
        free(a->entries[i].data);
    free(a->entries);
    free(a);
}

enum ob_err ob_admission_add(struct ob_admission *a, const void *data, size_t bytes, struct ob_error *error) {
    struct ob_control control;
    enum ob_err failed = ob_control_decode(data, bytes, &control, error);
    if (failed)
        return failed;
    if (!ob_control_verify(&a->run, &control))
        return ob_fail(error, OB_EREFUSED, "control: a control entry's signature does not verify");
    uint8_t *copy = malloc(bytes);
    if (!copy || !ob_array_reserve(&a->entries, a->count, 1, sizeof *a->entries, &a->max)) {
        free(copy);
        return ob_fail(error, OB_ENOMEM, "not enough memory for %zu control entries", a->count + 1);
    }
    memcpy(copy, data, bytes);
    struct entry *entry = &a->entries[a->count++];
    *entry = (struct entry){.data = copy, .bytes = bytes};
    failed = ob_control_decode(copy, bytes, &entry->control, error);
    assert(!failed);
    if (!failed && entry->control.kind == OB_CONTROL_ADMISSION)
        entry->rank = ob_invitation_rank(&entry->control.signer, &entry->control.subject);
    a->settled = false;
    return failed;
}

/* ---- order ---- */

static const struct ob_machine_id *owner_of(const struct ob_control *control) {
    return control->kind == OB_CONTROL_ROTATION ? &control->signer : &control->subject;
}

static int compare(const void *left, const void *right) {
    const struct ob_control *a = &((const struct entry *)left)->control;
    const struct ob_control *b = &((const struct entry *)right)->control;
    int order = ob_machine_compare(owner_of(a), owner_of(b));
    if (order == 0)
        order = (a->kind > b->kind) - (a->kind < b->kind);
    if (order == 0)
        order = ob_machine_compare(&a->signer, &b->signer);
    return order != 0 ? order : ob_machine_compare(&a->subject, &b->subject);
}

static size_t first_of(const struct ob_admission *a, const struct ob_machine_id *owner) {
    size_t low = 0, high = a->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ob_machine_compare(owner_of(&a->entries[middle].control), owner) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The next entry of an owner, from *at on; NULL: no more. */
static const struct entry *next_of(const struct ob_admission *a, const struct ob_machine_id *owner,
                                   size_t *at) {
    assert(a->settled);
    if (*at >= a->count || !ob_machine_equal(owner_of(&a->entries[*at].control), owner))
        return NULL;
    return &a->entries[(*at)++];
}

/* ---- authority ---- */

static int index_of(const struct ob_admission *a, const struct ob_machine_id *key) {
    for (size_t i = 0; i < a->authority_count; i++)
        if (ob_machine_equal(&a->authorities[i].key, key))
            return (int)i;
    return -1;
}

/* Of two rotations of one key the lower sequence wins, then the smaller bytes. */
static bool wins(const struct entry *one, const struct entry *other) {
    if (one->control.sequence != other->control.sequence)
        return one->control.sequence < other->control.sequence;
    return memcmp(one->data, other->data, one->bytes < other->bytes ? one->bytes : other->bytes) < 0;
}

static const struct entry *rotation_of(const struct ob_admission *a, const struct ob_machine_id *key) {
    const struct entry *best = NULL, *entry;
    for (size_t at = first_of(a, key); (entry = next_of(a, key, &at));)
        if (entry->control.kind == OB_CONTROL_ROTATION && (!best || wins(entry, best)))
            best = entry;
    return best;
}

static void settle_authorities(struct ob_admission *a) {
    a->authority_count = 1;
    a->authorities[0].until = UINT64_MAX;
    while (a->authority_count < OB_AUTHORITIES_MAX) {
        struct authority *last = &a->authorities[a->authority_count - 1];
        const struct entry *rotation = rotation_of(a, &last->key);
        if (!rotation || index_of(a, &rotation->control.subject) >= 0)
            return;
        last->until = ob_control_until(&rotation->control);
        a->authorities[a->authority_count++] = (struct authority){rotation->control.subject, UINT64_MAX};
    }
}

struct ob_machine_id ob_admission_authority(const struct ob_admission *a) {
    assert(a->settled);
    return a->authorities[a->authority_count - 1].key;
}

static bool in_time(const struct ob_admission *a, const struct ob_control *control) {
    int index = index_of(a, &control->signer);
    return index >= 0 && control->sequence < a->authorities[index].until;
}

/* The rotation that was followed, and no other one of its signer. */
static bool was_followed(const struct ob_admission *a, const struct ob_control *control) {
    int from = index_of(a, &control->signer);
    return from >= 0 && (size_t)from + 1 < a->authority_count &&
           ob_machine_equal(&a->authorities[from + 1].key, &control->subject);
}

/* Of the latest authority key, of those the one with the highest sequence. */
static bool is_later(const struct ob_admission *a, const struct ob_control *one,
                     const struct ob_control *other) {
    int index = index_of(a, &one->signer), other_index = index_of(a, &other->signer);
    return index != other_index ? index > other_index : one->sequence > other->sequence;
}

/* Of this kind, about this key, by an authority in its time. */
static const struct ob_control *latest(const struct ob_admission *a, enum ob_control_kind kind,
                                       const struct ob_machine_id *subject) {
    const struct ob_control *best = NULL;
    const struct entry *entry;
    for (size_t at = first_of(a, subject); (entry = next_of(a, subject, &at));) {
        const struct ob_control *control = &entry->control;
        if (control->kind != kind || !in_time(a, control))
            continue;
        if (!best || is_later(a, control, best))
            best = control;
    }
    return best;
}

/* ---- invitations ---- */

static void look_at_admission(const struct ob_admission *a, struct entry *entry) {
    const struct ob_machine_id *key = &entry->control.signer;
    const struct ob_control *invitation = latest(a, OB_CONTROL_INVITATION, key),
                            *withdrawal = latest(a, OB_CONTROL_WITHDRAWAL, key);
    entry->counts = false;
    if (!invitation)
        return;
    struct ob_invitation says = ob_control_invitation(invitation);
    struct ob_admission_name name = ob_control_admission_name(&entry->control);
    entry->uses = withdrawal ? SIZE_MAX : says.uses;
    entry->counts = ob_invitation_fits(&says, name.text) &&
                    (!withdrawal || ob_control_keeps(withdrawal, &entry->control.subject));
}

/* Those that are allowed first; of one invitation together; by rank. */
static int by_rank(const void *left, const void *right) {
    const struct entry *a = left, *b = right;
    if (a->counts != b->counts)
        return a->counts ? -1 : 1;
    int order = ob_machine_compare(&a->control.signer, &b->control.signer);
    return order != 0 ? order : memcmp(&a->rank, &b->rank, sizeof a->rank);
}

static void settle_admissions(struct ob_admission *a) {
    size_t place = 0, allowed = 0;
    for (size_t i = 0; i < a->count; i++) {
        a->entries[i].counts = false;
        if (a->entries[i].control.kind == OB_CONTROL_ADMISSION)
            look_at_admission(a, &a->entries[i]);
        allowed += a->entries[i].counts;
    }
    if (allowed == 0)
        return;
    qsort(a->entries, a->count, sizeof *a->entries, by_rank);
    for (size_t i = 0; i < allowed; i++) {
        struct entry *entry = &a->entries[i];
        bool same = i > 0 && ob_machine_equal(&entry[-1].control.signer, &entry->control.signer);
        place = same ? place + 1 : 0;
        entry->counts = place < entry->uses;
    }
    qsort(a->entries, a->count, sizeof *a->entries, compare);
}

void ob_admission_settle(struct ob_admission *a) {
    if (a->count > 0)
        qsort(a->entries, a->count, sizeof *a->entries, compare);
    a->settled = true;
    settle_authorities(a);
    settle_admissions(a);
}

/* As peer/invitation.c: of the latest authority key, then the highest sequence, then the largest key. */
static bool invites_later(const struct ob_admission *a, const struct ob_control *one,
                          const struct ob_control *other) {
    bool same = ob_machine_equal(&one->signer, &other->signer) && one->sequence == other->sequence;
    return same ? ob_machine_compare(&one->subject, &other->subject) > 0 : is_later(a, one, other);
}

static bool invited(const struct ob_admission *a, const struct ob_machine_id *machine,
                    struct ob_certificate *ret_certificate) {
    const struct ob_control *best = NULL, *invitation;
    const struct entry *entry;
    for (size_t at = first_of(a, machine); (entry = next_of(a, machine, &at));) {
        if (!entry->counts)
            continue;
        invitation = latest(a, OB_CONTROL_INVITATION, &entry->control.signer);
        assert(invitation); /* it counts by it */
        if (best && !invites_later(a, invitation, best))
            continue;
        best = invitation;
        struct ob_invitation says = ob_control_invitation(invitation);
        struct ob_admission_name name = ob_control_admission_name(&entry->control);
        *ret_certificate = ob_invitation_certificate(&a->run, &says, name.text);
    }
    return best != NULL;
}

/* ---- machines ---- */

/* The certificate in force, or what an invitation amounts to. */
static bool certificate_of(const struct ob_admission *a, const struct ob_machine_id *machine,
                           struct ob_certificate *ret_certificate) {
    const struct ob_control *control = latest(a, OB_CONTROL_CERTIFICATE, machine);
    if (!control)
        return invited(a, machine, ret_certificate);
    *ret_certificate = ob_control_certificate(control);
    return true;
}

static bool admission_counts(const struct ob_admission *a, const struct ob_control *control) {
    const struct entry *entry;
    for (size_t at = first_of(a, &control->subject); (entry = next_of(a, &control->subject, &at));)
        if (entry->counts && ob_machine_equal(&entry->control.signer, &control->signer))
            return true;
    return false;
}

bool ob_admission_counts(const struct ob_admission *a, const struct ob_control *control) {
    struct ob_certificate certificate;
    switch (control->kind) {
    case OB_CONTROL_CERTIFICATE:
    case OB_CONTROL_REVOCATION:
    case OB_CONTROL_INVITATION:
    case OB_CONTROL_WITHDRAWAL:
        return in_time(a, control);
    case OB_CONTROL_ADMISSION:
        return admission_counts(a, control);
    case OB_CONTROL_ROTATION:
        return was_followed(a, control);
    case OB_CONTROL_GOODBYE:
    case OB_CONTROL_EVIDENCE:
    case OB_CONTROL_ADDRESS:
        return certificate_of(a, &control->subject, &certificate);
    }
    return false;
}

struct ob_standing ob_admission_of(const struct ob_admission *a, const struct ob_machine_id *machine) {
    struct ob_standing standing = {.cut = UINT64_MAX, .last_round = OB_CONTROL_NEVER};
    struct ob_certificate says;
    const struct entry *entry;
    if (certificate_of(a, machine, &says)) {
        standing.certified = true;
        standing.last_round = says.last_round;
        memcpy(standing.name, says.name, sizeof standing.name);
    }
    for (size_t at = first_of(a, machine); (entry = next_of(a, machine, &at));) {
        const struct ob_control *control = &entry->control;
        bool revocation = control->kind == OB_CONTROL_REVOCATION,
             evidence = control->kind == OB_CONTROL_EVIDENCE;
        if (!(revocation || evidence) || !ob_admission_counts(a, control))
            continue;
        standing.revoked |= revocation;
        standing.forked |= evidence;
        uint64_t cut = ob_control_cut(control).index;
        standing.cut = cut < standing.cut ? cut : standing.cut;
    }
    return standing;
}

const char *ob_standing_refuses(const struct ob_standing *standing, const struct ob_record *record) {
    if (!standing->certified)
        return "the machine has no certificate of the run's authority";
    if (record->first.index + record->n > standing->cut)
        return standing->forked ? "it is above the cut of a fork" : "it is above the cut of a revocation";
    if (record->round.index > standing->last_round)
        return "its round is later than the certificate allows";
    return NULL;
}

size_t ob_admission_count(const struct ob_admission *a) {
    return a->count;
}

const struct ob_control *ob_admission_entry(const struct ob_admission *a, size_t index) {
    assert(index < a->count && a->settled);
    return &a->entries[index].control;
}
