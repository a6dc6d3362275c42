#include "base/progress_callback.h"

#define SHOW_NS 2000000000ull

enum ob_err ob_progress_tell(const struct ob_progress_callback *progress, const char *what, uint64_t done,
                             uint64_t size, struct ob_error *error) {
    if (progress == NULL || progress->tell == NULL || progress->tell(progress->context, what, done, size))
        return OB_OK;
    return ob_fail(error, OB_ESTATE, "stopped while %s", what);
}

bool ob_progress_is_due(struct ob_progress_meter *meter, uint64_t now_ns, const char *what, uint64_t done,
                        uint64_t size, double *ret_left_s) {
    if (meter->what != what)
        *meter = (struct ob_progress_meter){what, now_ns, now_ns};
    if (now_ns - meter->shown_ns < SHOW_NS)
        return false;
    meter->shown_ns = now_ns;
    double passed = (double)(now_ns - meter->started_ns) * 1e-9;
    *ret_left_s = done > 0 && size >= done ? passed * (double)(size - done) / (double)done : -1;
    return true;
}
