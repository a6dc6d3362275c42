#include "cli/canvas.h"

#include <cairo.h>
#include <stdlib.h>
#include <string.h>

#include "base/path.h"
#include "cli/markup.h"

#define PNG_SCALE 2

/* The same for both; SVG: light, then dark. */
static const struct {
    const char *name, *light, *dark;
    double red, green, blue, alpha;
} INKS[OB_INK_COUNT] = {
    [OB_INK_TEXT] = {"t", "#222", "#ddd", 0.13, 0.13, 0.13, 1},
    [OB_INK_FAINT] = {"f", "#ccc", "#555", 0.8, 0.8, 0.8, 1},
    [OB_INK_FIRST] = {"a", "#1f77b4", "#6bb1e4", 0.12, 0.47, 0.71, 1},
    [OB_INK_SECOND] = {"b", "#d62728", "#ff8a80", 0.84, 0.15, 0.16, 1},
    [OB_INK_BAND] = {"c", "#d6272833", "#ff8a8033", 0.84, 0.15, 0.16, 0.2},
};

struct ob_canvas {
    FILE *to; /* SVG */
    char path[OB_PATH_MAX];
    cairo_surface_t *surface; /* PNG */
    cairo_t *cairo;
};

enum ob_err ob_canvas_svg(FILE *to, int width, int height, const char *title, struct ob_canvas **ret_canvas,
                          struct ob_error *error) {
    struct ob_canvas *c = calloc(1, sizeof *c);
    if (!c)
        return ob_fail(error, OB_ENOMEM, "not enough memory for a chart");
    c->to = to;
    fprintf(to,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" "
            "role=\"img\">\n<title>",
            width, height, width, height);
    ob_markup_text(to, title);
    fputs("</title>\n<style>text{font-family:sans-serif}", to);
    for (int i = 0; i < OB_INK_COUNT; i++)
        fprintf(to, ".%s{--i:%s}", INKS[i].name, INKS[i].light);
    fputs("@media(prefers-color-scheme:dark){", to);
    for (int i = 0; i < OB_INK_COUNT; i++)
        fprintf(to, ".%s{--i:%s}", INKS[i].name, INKS[i].dark);
    fputs("}polyline{fill:none;stroke:var(--i);stroke-width:1.5;stroke-linejoin:round}polygon,text,circle{"
          "fill:var(--i)}</style>\n",
          to);
    *ret_canvas = c;
    return OB_OK;
}

enum ob_err ob_canvas_png(const char *path, int width, int height, struct ob_canvas **ret_canvas,
                          struct ob_error *error) {
    struct ob_canvas *c = calloc(1, sizeof *c);
    if (!c || strlen(path) >= sizeof c->path) {
        free(c);
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory for a chart", path);
    }
    memcpy(c->path, path, strlen(path) + 1);
    c->surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width * PNG_SCALE, height * PNG_SCALE);
    c->cairo = cairo_create(c->surface);
    cairo_scale(c->cairo, PNG_SCALE, PNG_SCALE);
    cairo_set_source_rgb(c->cairo, 1, 1, 1);
    cairo_paint(c->cairo);
    cairo_set_line_width(c->cairo, 1.5);
    cairo_set_line_join(c->cairo, CAIRO_LINE_JOIN_ROUND);
    *ret_canvas = c;
    return OB_OK;
}

static void set_ink(struct ob_canvas *c, enum ob_ink ink) {
    cairo_set_source_rgba(c->cairo, INKS[ink].red, INKS[ink].green, INKS[ink].blue, INKS[ink].alpha);
}

static void print_points(struct ob_canvas *c, const char *element, const struct ob_point *points,
                         size_t count, enum ob_ink ink) {
    fprintf(c->to, "<%s class=\"%s\" points=\"", element, INKS[ink].name);
    for (size_t i = 0; i < count; i++)
        fprintf(c->to, "%s%.1f,%.1f", i ? " " : "", points[i].x, points[i].y);
    fputs("\"/>\n", c->to);
}

static void trace(struct ob_canvas *c, const struct ob_point *points, size_t count, enum ob_ink ink) {
    set_ink(c, ink);
    cairo_new_path(c->cairo); /* a text leaves a point behind */
    cairo_set_line_width(c->cairo, ink == OB_INK_FAINT ? 0.7 : 1.5);
    for (size_t i = 0; i < count; i++)
        cairo_line_to(c->cairo, points[i].x, points[i].y);
}

void ob_canvas_line(struct ob_canvas *c, const struct ob_point *points, size_t count, enum ob_ink ink) {
    if (count < 2)
        return;
    if (c->to) {
        print_points(c, "polyline", points, count, ink);
        return;
    }
    trace(c, points, count, ink);
    cairo_stroke(c->cairo);
}

void ob_canvas_area(struct ob_canvas *c, const struct ob_point *points, size_t count, enum ob_ink ink) {
    if (count < 3)
        return;
    if (c->to) {
        print_points(c, "polygon", points, count, ink);
        return;
    }
    trace(c, points, count, ink);
    cairo_close_path(c->cairo);
    cairo_fill(c->cairo);
}

void ob_canvas_mark(struct ob_canvas *c, struct ob_point at, enum ob_ink ink) {
    if (c->to) {
        fprintf(c->to, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>\n", INKS[ink].name, at.x,
                at.y);
        return;
    }
    set_ink(c, ink);
    cairo_new_path(c->cairo);
    cairo_arc(c->cairo, at.x, at.y, 2.5, 0, 6.2832);
    cairo_fill(c->cairo);
}

void ob_canvas_text(struct ob_canvas *c, struct ob_point at, const char *text, int size,
                    enum ob_anchor anchor, enum ob_ink ink) {
    static const char *const ANCHORS[] = {"start", "middle", "end"};
    if (c->to) {
        fprintf(c->to, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" font-size=\"%d\" text-anchor=\"%s\">",
                INKS[ink].name, at.x, at.y, size, ANCHORS[anchor]);
        ob_markup_text(c->to, text);
        fputs("</text>\n", c->to);
        return;
    }
    cairo_text_extents_t extents;
    set_ink(c, ink);
    cairo_select_font_face(c->cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(c->cairo, size);
    cairo_text_extents(c->cairo, text, &extents);
    cairo_move_to(c->cairo, at.x - 0.5 * (double)(int)anchor * extents.x_advance, at.y);
    cairo_show_text(c->cairo, text);
}

enum ob_err ob_canvas_end(struct ob_canvas *c, struct ob_error *error) {
    enum ob_err failed = OB_OK;
    if (c->to) {
        fputs("</svg>\n", c->to);
    } else {
        cairo_status_t status = cairo_status(c->cairo);
        if (status == CAIRO_STATUS_SUCCESS)
            status = cairo_surface_write_to_png(c->surface, c->path);
        if (status != CAIRO_STATUS_SUCCESS)
            failed = ob_fail(error, status == CAIRO_STATUS_NO_MEMORY ? OB_ENOMEM : OB_EIO,
                             "%s: cannot be written (%s)", c->path, cairo_status_to_string(status));
        cairo_destroy(c->cairo);
        cairo_surface_destroy(c->surface);
    }
    free(c);
    return failed;
}
