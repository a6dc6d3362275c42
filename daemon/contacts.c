#include "daemon/contacts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "transport/identity.h"

#define HINTS_MAX      64
#define HINT_TRIES     3 /* a machine known by hints alone is forgotten after so many silent doors */
#define FIRST_KNOCK_S  1 /* after a connection was opened that does not come up */
#define KNOCK_MAX_S    60
#define UNPROVEN_MAX_S (4 * 3600) /* where nobody of the run's operators has said that it is */
#define REFUSED_REST_S 60
#define SETTLE_S       5 /* after a welcome, until we look again */

struct contact {
    struct ob_machine_id machine;
    char places[OB_PLACE_COUNT][OB_ENDPOINT_MAX];
    enum ob_place at;
    bool expelled;
    unsigned silent; /* knocks without an answer, one after the other */
    uint64_t next_s;
    uint64_t tried_s;              /* its door, while it was linked; 0: not */
    char why[OB_TROUBLE_TEXT_MAX]; /* it is not linked; "": no attempt has ended yet */
};

struct ob_contacts {
    struct ob_transport *transport;
    const struct ob_logger *logger;
    struct ob_machine_id self;
    uint8_t hello[OB_HELLO_MAX];
    size_t hello_bytes;
    struct contact *items;
    size_t count, room;
};

enum ob_err ob_contacts_new(const struct ob_contacts_options *options, struct ob_contacts **ret_contacts,
                            struct ob_error *error) {
    if (options->hello_bytes > OB_HELLO_MAX)
        return ob_fail(error, OB_ETOOBIG, "the certificate is too large for a hello message");
    struct ob_contacts *contacts = calloc(1, sizeof *contacts);
    if (!contacts)
        return ob_fail(error, OB_ENOMEM, "out of memory");
    contacts->transport = options->transport;
    contacts->logger = options->logger;
    contacts->self = options->self;
    contacts->hello_bytes = options->hello_bytes;
    if (options->hello_bytes > 0)
        memcpy(contacts->hello, options->hello, options->hello_bytes);
    *ret_contacts = contacts;
    return OB_OK;
}

void ob_contacts_free(struct ob_contacts *contacts) {
    if (!contacts)
        return;
    free(contacts->items);
    free(contacts);
}

void ob_contacts_show(struct ob_contacts *contacts, const uint8_t *hello, size_t bytes) {
    assert(bytes <= OB_HELLO_MAX);
    memcpy(contacts->hello, hello, bytes);
    contacts->hello_bytes = bytes;
    for (size_t i = 0; i < contacts->count; i++)
        contacts->items[i].next_s = 0; /* who refused the old one is shown the new one at once */
}

static struct contact *find(struct ob_contacts *contacts, const struct ob_machine_id *machine) {
    for (size_t i = 0; i < contacts->count; i++)
        if (ob_machine_equal(&contacts->items[i].machine, machine))
            return &contacts->items[i];
    return NULL;
}

static bool only_hinted(const struct contact *contact) {
    return !contact->places[OB_PLACE_SIGNED][0] && !contact->places[OB_PLACE_CONFIGURED][0];
}

static size_t hint_count(const struct ob_contacts *contacts) {
    size_t count = 0;
    for (size_t i = 0; i < contacts->count; i++)
        count += only_hinted(&contacts->items[i]);
    return count;
}

static struct contact *add(struct ob_contacts *contacts, const struct ob_machine_id *machine) {
    if (contacts->count == OB_CONTACTS_MAX)
        return NULL;
    if (contacts->count == contacts->room) {
        size_t room = 2 * contacts->room + 16;
        struct contact *items = realloc(contacts->items, room * sizeof *items);
        if (!items)
            return NULL;
        contacts->items = items;
        contacts->room = room;
    }
    struct contact *contact = &contacts->items[contacts->count++];
    *contact = (struct contact){.machine = *machine};
    return contact;
}

static void forget(struct ob_contacts *contacts, struct contact *contact) {
    ob_transport_disconnect(contacts->transport, &contact->machine);
    *contact = contacts->items[--contacts->count];
}

/* The next place that is one, or the same when there is no other. False: there is none at all. */
static bool next_place(struct contact *contact, enum ob_place from) {
    for (unsigned i = 0; i < OB_PLACE_COUNT; i++) {
        enum ob_place place = (enum ob_place)((from + i) % OB_PLACE_COUNT);
        if (!contact->places[place][0])
            continue;
        contact->at = place;
        return true;
    }
    return false;
}

static void say_why(struct contact *contact, const char *why) {
    size_t length = strnlen(why, sizeof contact->why - 1);
    memcpy(contact->why, why, length);
    contact->why[length] = 0;
}

/* An address that stands in our own configuration is worth trying; any other may be a victim's. */
static uint64_t rest_max_s(const struct contact *contact) {
    return contact->places[OB_PLACE_CONFIGURED][0] ? KNOCK_MAX_S : UNPROVEN_MAX_S;
}

static void connect_now(struct ob_contacts *contacts, struct contact *contact) {
    struct ob_error error = {0};
    const char *endpoint = contact->places[contact->at];
    char text[600];
    enum ob_err failed = ob_transport_connect(contacts->transport, &contact->machine, endpoint, &error);
    ob_transport_rest(contacts->transport, &contact->machine, rest_max_s(contact));
    if (failed) {
        say_why(contact, error.text);
        ob_log(contacts->logger, OB_LOG_WARN, "connect", "endpoint=%s text=%s", endpoint,
               ob_logger_quote(error.text, text, sizeof text));
    }
}

/* A machine that is linked has said where it listens: is that so? Its door learns by the knock that the address is reached. */
static void try_door(struct ob_contacts *contacts, struct contact *contact, uint64_t now_s) {
    if (!contact->places[OB_PLACE_SIGNED][0] || contact->expelled || contacts->hello_bytes == 0 ||
        (contact->tried_s > 0 && now_s - contact->tried_s < REFUSED_REST_S))
        return;
    if (ob_transport_knock(contacts->transport, &contact->machine, contact->places[OB_PLACE_SIGNED],
                           contacts->hello, contacts->hello_bytes, NULL) == OB_OK)
        contact->tried_s = now_s > 0 ? now_s : 1;
}

void ob_contacts_set(struct ob_contacts *contacts, const struct ob_machine_id *machine, enum ob_place place,
                     const char *endpoint, uint64_t now_s) {
    struct contact *contact = find(contacts, machine);
    if (ob_machine_equal(machine, &contacts->self) || strlen(endpoint) >= OB_ENDPOINT_MAX ||
        (!contact && (!endpoint[0] || (place == OB_PLACE_HINT && hint_count(contacts) >= HINTS_MAX))))
        return;
    if (!contact && !(contact = add(contacts, machine)))
        return;
    if (strcmp(contact->places[place], endpoint) == 0)
        return;
    memcpy(contact->places[place], endpoint, strlen(endpoint) + 1);
    bool linked = ob_transport_linked(contacts->transport, machine);
    if (!next_place(contact, endpoint[0] ? place : contact->at)) {
        forget(contacts, contact);
        return;
    }
    if (linked && place == OB_PLACE_SIGNED)
        try_door(contacts, contact, now_s);
    if (linked || contact->expelled)
        return; /* what works is left alone */
    if (contact->next_s < now_s + FIRST_KNOCK_S || place == OB_PLACE_CONFIGURED)
        contact->next_s = now_s + FIRST_KNOCK_S; /* a new address does not shorten a rest */
    connect_now(contacts, contact);
}

void ob_contacts_expel(struct ob_contacts *contacts, const struct ob_machine_id *machine, bool expelled) {
    struct contact *contact = find(contacts, machine);
    if (!contact)
        return;
    contact->expelled = expelled;
    contact->next_s = 0;
    contact->silent = 0;
}

void ob_contacts_answer(struct ob_contacts *contacts, const struct ob_machine_id *machine,
                        enum ob_verdict verdict, uint64_t now_s) {
    struct contact *contact = find(contacts, machine);
    char key[OB_HEX_KEY_MAX];
    if (!contact || contact->expelled)
        return;
    ob_machine_to_text(machine, key);
    if (verdict == OB_VERDICT_WELCOME) {
        say_why(contact, "it admits us; connecting");
        ob_log(contacts->logger, OB_LOG_INFO, "welcome", "machine=%.12s endpoint=%s", key,
               contact->places[contact->at]);
        contact->silent = 0;
        contact->next_s = now_s + SETTLE_S;
        if (ob_transport_linked(contacts->transport, machine))
            return;
        ob_transport_disconnect(contacts->transport,
                                machine); /* it was refused, and would wait to try again */
        connect_now(contacts, contact);
        return;
    }
    say_why(contact, verdict == OB_VERDICT_SILENCE
                         ? "no answer; check the address, port and key, and that the machine is up"
                         : ob_verdict_text(verdict));
    if (verdict != OB_VERDICT_SILENCE && verdict != OB_VERDICT_LATER) {
        ob_log(contacts->logger, OB_LOG_ERROR, "refused-by", "machine=%.12s endpoint=%s text=\"%s\"", key,
               contact->places[contact->at], ob_verdict_text(verdict));
        contact->next_s = now_s + REFUSED_REST_S;
        return;
    }
    contact->silent++;
    if (only_hinted(contact) && contact->silent >= HINT_TRIES) {
        forget(contacts, contact);
        return;
    }
    (void)next_place(contact, (enum ob_place)((contact->at + 1) % OB_PLACE_COUNT));
    uint64_t most = rest_max_s(contact);
    uint64_t rest = contact->silent < 20 ? (uint64_t)1 << contact->silent : most;
    contact->next_s = now_s + (rest < most ? rest : most);
}

size_t ob_contacts_count(const struct ob_contacts *contacts) {
    return contacts->count;
}

struct ob_reach ob_contacts_reach(const struct ob_contacts *contacts, size_t i) {
    assert(i < contacts->count);
    const struct contact *contact = &contacts->items[i];
    struct ob_reach reach = {.machine = contact->machine,
                             .endpoint = contact->places[contact->at],
                             .configured = contact->places[OB_PLACE_CONFIGURED][0] != 0};
    if (!ob_transport_linked(contacts->transport, &contact->machine))
        reach.why = contact->expelled ? "it no longer belongs to the run"
                    : contact->why[0] ? contact->why
                                      : "connecting";
    return reach;
}

const char *ob_contacts_why(const struct ob_contacts *contacts, const struct ob_machine_id *machine) {
    for (size_t i = 0; i < contacts->count; i++)
        if (ob_machine_equal(&contacts->items[i].machine, machine))
            return ob_contacts_reach(contacts, i).why;
    return NULL;
}

/* What the connection itself met: its name, nobody there, no answer, another key. */
static void ask_why(const struct ob_contacts *contacts, struct contact *contact) {
    char why[OB_TROUBLE_TEXT_MAX];
    enum ob_trouble trouble = ob_transport_trouble(contacts->transport, &contact->machine, why);
    if (trouble != OB_TROUBLE_NONE && trouble != OB_TROUBLE_CONNECTING)
        say_why(contact, why);
}

void ob_contacts_tend(struct ob_contacts *contacts, uint64_t now_s) {
    for (size_t i = 0; i < contacts->count; i++) {
        struct contact *contact = &contacts->items[i];
        ask_why(contacts, contact);
        if (contact->expelled || now_s < contact->next_s ||
            ob_transport_linked(contacts->transport, &contact->machine))
            continue;
        connect_now(contacts, contact);
        contact->next_s = now_s + KNOCK_MAX_S; /* the answer, or its absence, comes before */
        if (contacts->hello_bytes > 0 &&
            ob_transport_knock(contacts->transport, &contact->machine, contact->places[contact->at],
                               contacts->hello, contacts->hello_bytes, NULL))
            contact->next_s = now_s + FIRST_KNOCK_S; /* too many doors at a time */
    }
}
