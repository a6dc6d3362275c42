#include "peer/restore.h"

#include <assert.h>

#include "peer/authority.h"
#include "peer/log.h"
#include "peer/machines.h"
#include "peer/state.h"

enum ob_err ob_peer_restore_record(struct ob_peer *peer, const struct ob_record *record,
                                   struct ob_error *error) {
    if (peer->life != OB_PEER_RECOVERING)
        return ob_fail(error, OB_ESTATE, "records can be restored only before the start");
    struct machine *machine = ob_machines_find(peer, &record->machine);
    if (machine == NULL && peer->machines.count == peer->machines.capacity)
        return ob_fail(error, OB_ETOOBIG, "the log holds more than %zu machines", peer->machines.capacity);
    static const struct chain NO_RECORDS;
    if (!ob_chain_extends(machine != NULL ? &machine->chain : &NO_RECORDS, record) || record->n == 0 ||
        record->first.index > OB_SAMPLE_END - record->n)
        return ob_fail(error, OB_EMISMATCH,
                       "the log's record of sample %llu (round %u) does not extend its chain",
                       (unsigned long long)record->first.index, record->round.index);
    if (machine == NULL)
        machine = ob_machines_take(peer, &record->machine);
    struct ob_hash hash = ob_record_hash(&peer->options.run, record);
    ob_log_extend(peer, machine, record, &hash);
    return OB_OK;
}

enum ob_err ob_peer_restore_control(struct ob_peer *peer, const void *data, size_t bytes,
                                    struct ob_error *error) {
    if (peer->life != OB_PEER_RECOVERING)
        return ob_fail(error, OB_ESTATE, "control entries can be restored only before the start");
    struct ob_control control;
    enum ob_err err = ob_control_decode(data, bytes, &control, error);
    if (err != OB_OK)
        return err;
    bool rotation = control.kind == OB_CONTROL_ROTATION,
         delegates = control.kind == OB_CONTROL_INVITATION || control.kind == OB_CONTROL_WITHDRAWAL;
    if (!rotation && !delegates && ob_machines_find(peer, &control.subject) == NULL &&
        peer->machines.count == peer->machines.capacity)
        return ob_fail(error, OB_ETOOBIG, "the control table names more than %zu machines",
                       peer->machines.capacity);
    (void)ob_control_table_put(&peer->control, &control, data, bytes, NULL);
    if (rotation) {
        ob_authority_update(peer);
        return OB_OK;
    }
    if (delegates)
        return OB_OK; /* its subject is no machine */
    struct machine *machine = ob_machines_take(peer, &control.subject);
    assert(machine != NULL); /* there is room, see above */
    machine->standing.reach |= control.kind == OB_CONTROL_ADDRESS;
    return OB_OK;
}
