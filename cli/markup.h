/* markup - text into HTML and SVG. What other machines chose (names, versions) may hold anything: characters that mark up are
 * escaped, bytes that are not UTF-8 and control characters become U+FFFD.
 * Threads: pure. */
#ifndef OB_CLI_MARKUP_H
#define OB_CLI_MARKUP_H

#include <stdio.h>

void ob_markup_text(FILE *to, const char *text);

#endif
