#include "daemon/finish.h"

#define SETTLE_S   3 /* for acknowledgements to come, and for others to ask */
#define PATIENCE_S 60

bool ob_finish_now(struct ob_finish *finish, const struct ob_peer *peer, uint64_t now_s) {
    if (now_s == finish->looked_s)
        return false;
    finish->looked_s = now_s;
    struct ob_peer_view view = ob_peer_view(peer);
    if (view.life != OB_PEER_FINISHED) {
        finish->since_s = 0;
        return false;
    }
    if (finish->since_s == 0)
        finish->since_s = now_s;
    uint64_t for_s = now_s - finish->since_s;
    bool held = view.last_live <= 1 || view.acknowledge >= view.last_live;
    return for_s >= PATIENCE_S || (for_s >= SETTLE_S && held);
}
