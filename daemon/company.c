#include "daemon/company.h"

#include "base/clock.h"

#define LOOK_EVERY_NS (5 * OB_SECOND_NS)

static bool is_silent(const struct ob_peer_machine *machine, uint64_t now_ns) {
    uint64_t heard_ns =
        machine->last_heard_ns > machine->last_record_ns ? machine->last_heard_ns : machine->last_record_ns;
    return now_ns > heard_ns && now_ns - heard_ns > OB_COMPANY_SILENCE_S * OB_SECOND_NS;
}

struct ob_company ob_company_count(const struct ob_peer *peer, uint64_t now_ns) {
    struct ob_company company = {0};
    for (size_t i = 0; i < ob_peer_count(peer); i++) {
        struct ob_peer_machine machine = ob_peer_machine(peer, i);
        if (machine.last_heard_ns == 0 || !machine.admitted || machine.left) /* ourselves: never heard */
            continue;
        if (is_silent(&machine, now_ns))
            company.missing++;
        else
            company.there++;
    }
    return company;
}

enum ob_company_state ob_company_judge(const struct ob_company *company) {
    if (company->missing >= 1 && company->there == 0)
        return OB_COMPANY_ALONE;
    bool many = 4 * company->missing >= company->there + company->missing + 1;
    return company->missing >= 2 && many ? OB_COMPANY_SPLIT : OB_COMPANY_WHOLE;
}

void ob_company_tend(struct ob_company_watch *watch, const struct ob_session *session, uint64_t now_ns) {
    if (watch->looked_ns != 0 && now_ns - watch->looked_ns < LOOK_EVERY_NS)
        return;
    watch->looked_ns = now_ns;
    struct ob_company company = ob_company_count(session->peer, now_ns);
    enum ob_company_state state = ob_company_judge(&company);
    if (state == OB_COMPANY_ALONE && session->config->solo)
        state = OB_COMPANY_WHOLE; /* as its operator wants it */
    if (state == watch->told)
        return;
    if (state == OB_COMPANY_ALONE)
        ob_log(session->logger, OB_LOG_WARN, "alone",
               "missing=%zu text=\"no other machine is heard any more, and none said goodbye: check this "
               "machine's "
               "network, and theirs\"",
               company.missing);
    else if (state == OB_COMPANY_SPLIT)
        ob_log(session->logger, OB_LOG_WARN, "split",
               "missing=%zu there=%zu text=\"several machines are not heard any more, and did not say "
               "goodbye: they "
               "crashed, or the network between you is split\"",
               company.missing, company.there);
    else
        ob_log(session->logger, OB_LOG_INFO, "company",
               "there=%zu missing=%zu text=\"others are heard again\"", company.there, company.missing);
    watch->told = state;
}
