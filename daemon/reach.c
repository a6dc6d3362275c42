#include "daemon/reach.h"

#include "daemon/names.h"

#define FIRST_S 15 /* a knock is answered, or given up, by then */
#define EVERY_S 60

static void tell(const struct ob_session *session, const struct ob_contacts *contacts) {
    for (size_t i = 0; i < ob_contacts_count(contacts); i++) {
        struct ob_reach reach = ob_contacts_reach(contacts, i);
        char name[64], text[600];
        if (!reach.why)
            reach.why =
                "connected, but nothing comes from there; check that the port is the first of its three";
        if (reach.configured)
            ob_log(session->logger, OB_LOG_WARN, "unreached", "machine=%s endpoint=%s text=%s",
                   ob_machine_name(session->config, session->peer, &reach.machine, name), reach.endpoint,
                   ob_logger_quote(reach.why, text, sizeof text));
    }
}

void ob_reach_tend(struct ob_reach_watch *watch, const struct ob_session *session,
                   const struct ob_contacts *contacts, bool alone, uint64_t now_s) {
    if (!alone) {
        *watch = (struct ob_reach_watch){0};
        return;
    }
    if (watch->since_s == 0)
        watch->since_s = now_s ? now_s : 1;
    if (now_s - watch->since_s < FIRST_S || (watch->told_s && now_s - watch->told_s < EVERY_S))
        return;
    watch->told_s = now_s;
    tell(session, contacts);
}

bool ob_reach_expected(const struct ob_session *session) {
    const struct ob_config *config = session->config;
    for (size_t i = 0; i < config->peer_count; i++)
        if (config->peers[i].endpoint[0] &&
            !ob_machine_equal(&config->peers[i].machine, &session->identity->machine))
            return true;
    return false;
}
