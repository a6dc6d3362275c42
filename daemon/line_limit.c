#include "daemon/line_limit.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"

bool ob_line_allowed(struct ob_line_limit *limit, const char *kind, uint64_t now_ns, uint64_t *ret_left_out) {
    size_t i = 0;
    while (i + 1 < OB_LINE_KINDS && limit->kinds[i].kind && strcmp(limit->kinds[i].kind, kind) != 0)
        i++;
    limit->kinds[i].kind = kind;
    if (limit->kinds[i].written == 0 || now_ns - limit->kinds[i].since_ns >= OB_LINE_WINDOW_NS) {
        limit->kinds[i].since_ns = now_ns;
        limit->kinds[i].written = 0;
    }
    if (limit->kinds[i].written == OB_LINES_A_WINDOW) {
        limit->kinds[i].left_out++;
        return false;
    }
    limit->kinds[i].written++;
    *ret_left_out = limit->kinds[i].left_out;
    limit->kinds[i].left_out = 0;
    return true;
}

bool ob_line_may(struct ob_line_limit *limit, const struct ob_logger *logger, const char *kind) {
    uint64_t left_out = 0;
    if (!ob_line_allowed(limit, kind, ob_now_ns(), &left_out))
        return false;
    if (left_out > 0)
        ob_log(logger, OB_LOG_WARN, kind, "text=\"%" PRIu64 " further lines of this kind were left out\"",
               left_out);
    return true;
}
