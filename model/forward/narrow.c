/* Nothing reads the states of the other rows: attention was the last to look across rows. */
#include <string.h>

#include "model/forward/pass.h"

/* Into h and qkv, which are free. */
static void gather_rows(const struct ob_pass *pass, const struct ob_row_block *block, void *context) {
    (void)context;
    const struct ob_forward *f = pass->forward;
    const struct ob_view *view = &pass->views[block->view];
    size_t width = f->config.width, heads = (size_t)f->config.heads * f->config.head_width;
    for (size_t row = block->first; row < block->first + block->count; row++) {
        size_t target = view->first_target + row - view->targets.first;
        size_t from = view->inputs.first + f->target_rows[target] - view->first_input;
        memcpy(f->h + row * width, f->x + from * width, width * sizeof *f->h);
        memcpy(f->qkv + row * heads, f->attn_out + from * heads, heads * sizeof *f->qkv);
    }
}

static void put_back(const struct ob_pass *pass, const struct ob_row_block *block, void *context) {
    (void)context;
    const struct ob_forward *f = pass->forward;
    size_t width = f->config.width, heads = (size_t)f->config.heads * f->config.head_width;
    memcpy(f->x + block->first * width, f->h + block->first * width, block->count * width * sizeof *f->x);
    memcpy(f->attn_out + block->first * heads, f->qkv + block->first * heads,
           block->count * heads * sizeof *f->attn_out);
}

void ob_pass_narrow(struct ob_pass *pass) {
    struct ob_forward *f = pass->forward;
    if (f->observer || pass->target_rows >= pass->rows)
        return;
    ob_pass_for_rows(pass, true, 64, gather_rows, NULL);
    ob_pass_for_rows(pass, true, 64, put_back, NULL);
    for (size_t view = 0; view < pass->view_count; view++) {
        f->narrow[view] = pass->views[view];
        f->narrow[view].inputs = pass->views[view].targets;
        f->narrow[view].first_input = pass->views[view].first_target;
    }
    pass->views = f->narrow;
    pass->rows = pass->target_rows;
    pass->is_narrow = true;
}
