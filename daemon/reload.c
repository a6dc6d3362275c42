#include "daemon/reload.h"

#include <string.h>

#include "base/clock.h"
#include "daemon/step.h"

static void complain(const struct ob_daemon *daemon, const struct ob_error *why) {
    char text[600];
    ob_log(&daemon->logger, OB_LOG_ERROR, "reload", "text=%s", ob_logger_quote(why->text, text, sizeof text));
}

static const struct ob_config_peer *find_peer(const struct ob_config *config,
                                              const struct ob_machine_id *machine) {
    for (size_t i = 0; i < config->peer_count; i++)
        if (ob_machine_equal(&config->peers[i].machine, machine))
            return &config->peers[i];
    return NULL;
}

/* Their addresses; those that are new are expected, those that are gone are reached only where they say themselves. */
static enum ob_err take_peers(struct ob_daemon *daemon, const struct ob_config *old,
                              const struct ob_config *new, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    for (size_t i = 0; i < old->peer_count; i++)
        if (!find_peer(new, &old->peers[i].machine))
            ob_contacts_set(daemon->membership.contacts, &old->peers[i].machine, OB_PLACE_CONFIGURED, "",
                            ob_now_s());
    for (size_t i = 0; i < new->peer_count && !failed; i++) {
        const struct ob_config_peer *peer = &new->peers[i];
        struct ob_event expect = {.kind = OB_EVENT_EXPECT, .machine = peer->machine};
        ob_contacts_set(daemon->membership.contacts, &peer->machine, OB_PLACE_CONFIGURED, peer->endpoint,
                        ob_now_s());
        if (!find_peer(old, &peer->machine) && peer->endpoint[0] &&
            !ob_machine_equal(&peer->machine, &daemon->identity.machine))
            failed = ob_daemon_step(daemon, &expect, error);
    }
    return failed;
}

static enum ob_err take_certificate(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_membership fresh = {0};
    struct ob_event event;
    struct ob_error why = {0};
    struct ob_membership *m = &daemon->membership;
    if (ob_membership_read_certificate(&fresh, &daemon->session, true, &why)) {
        complain(daemon, &why);
        return OB_OK;
    }
    if (!fresh.has_certificate ||
        (m->has_certificate && m->certificate.entry_bytes == fresh.certificate.entry_bytes &&
         memcmp(m->certificate.entry, fresh.certificate.entry, fresh.certificate.entry_bytes) == 0))
        return OB_OK;
    if (ob_membership_control(m, fresh.certificate.entry, fresh.certificate.entry_bytes, &event, &why)) {
        complain(daemon, &why);
        return OB_OK;
    }
    ob_membership_take_certificate(m, &fresh.certificate);
    ob_log(&daemon->logger, OB_LOG_INFO, "reload", "certificate=%s", daemon->session.config->certificate);
    return ob_daemon_step(daemon, &event, error);
}

/* What cannot be followed here is said, and all of it stays as it was. */
static void take_desk(struct ob_daemon *daemon, const struct ob_config *new) {
    struct ob_error why = {0};
    if (ob_desk_pause_reload(&daemon->desk, new, &why)) {
        complain(daemon, &why);
        return;
    }
    ob_config_reload_desk(daemon->session.config, new);
    ob_compute_share(daemon->session.compute, new->max_cpu / 100);
}

struct differences {
    const struct ob_logger *logger;
    size_t count;
};

static void name_difference(void *context, const char *section, const char *key) {
    struct differences *differences = context;
    differences->count++;
    ob_log(differences->logger, OB_LOG_WARN, "reload",
           "section=%s key=%s text=\"restart the daemon to change this\"", section, key);
}

enum ob_err ob_daemon_reload(struct ob_daemon *daemon, struct ob_error *error) {
    struct ob_config *old = daemon->session.config, *new = NULL;
    struct ob_error why = {0};
    const struct ob_daemon_source *source = daemon->source;
    if (ob_config_read(source->path, source->overrides, source->override_count, &new, &why)) {
        complain(daemon, &why);
        return OB_OK;
    }
    struct differences differences = {.logger = &daemon->logger};
    enum ob_err failed = take_peers(daemon, old, new, error);
    atomic_store(&daemon->logger.least, (int)new->log_level);
    take_desk(daemon, new);
    ob_config_reload(old, new, name_difference, &differences);
    ob_config_free(new);
    ob_log(&daemon->logger, OB_LOG_INFO, "reload", "file=%s peers=%zu", source->path, old->peer_count);
    return failed ? failed : take_certificate(daemon, error);
}
