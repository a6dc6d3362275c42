/* canvas - lines, areas and words, drawn into an SVG or a PNG.
 *
 * SVG: text that stays text, colours as classes of a style sheet, so that a chart follows the light or dark scheme of the page
 *      around it. PNG: by cairo, on white, at twice the size in pixels.
 * Coordinates: pixels, y downwards. Everything drawn is finite; the caller leaves out what is not.
 *
 * Errors:  OB_ENOMEM; OB_EIO names the file.
 * Owns:    an SVG is written to the caller's FILE; a PNG to a file that ob_canvas_end writes.
 * Threads: one at a time. */
#ifndef OB_CLI_CANVAS_H
#define OB_CLI_CANVAS_H

#include <stdio.h>

#include "base/err.h"

enum ob_ink { OB_INK_TEXT, OB_INK_FAINT, OB_INK_FIRST, OB_INK_SECOND, OB_INK_BAND, OB_INK_COUNT };
enum ob_anchor { OB_ANCHOR_LEFT, OB_ANCHOR_MIDDLE, OB_ANCHOR_RIGHT };

struct ob_point {
    double x, y;
};

struct ob_canvas;

/* Within other text (HTML, Markdown): no XML declaration. */
OB_MUST_USE enum ob_err ob_canvas_svg(FILE *to, int width, int height, const char *title,
                                      struct ob_canvas **ret_canvas, struct ob_error *error);
OB_MUST_USE enum ob_err ob_canvas_png(const char *path, int width, int height, struct ob_canvas **ret_canvas,
                                      struct ob_error *error);
void ob_canvas_line(struct ob_canvas *canvas, const struct ob_point *points, size_t count, enum ob_ink ink);
void ob_canvas_area(struct ob_canvas *canvas, const struct ob_point *points, size_t count, enum ob_ink ink);
void ob_canvas_mark(struct ob_canvas *canvas, struct ob_point at, enum ob_ink ink);
void ob_canvas_text(struct ob_canvas *canvas, struct ob_point at, const char *text, int size,
                    enum ob_anchor anchor, enum ob_ink ink);
/* Finishes and frees it, also after a failure. */
OB_MUST_USE enum ob_err ob_canvas_end(struct ob_canvas *canvas, struct ob_error *error);

#endif
