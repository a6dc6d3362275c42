/* hidden_line - a line that is typed into a terminal which does not show it. However that ends, the terminal shows again what
 * is typed: a signal that ends or stops this program is held until it does, then takes its course. One that was stopped asks
 * anew when it goes on; what had been typed is dropped.
 *
 * Signals that are ignored stay so. A signal may go to any thread (OpenBLAS has some before main() begins): handlers only
 * write its number into a pipe, from which the thread that asks takes it.
 *
 * Errors:  OB_EIO (no pipe, a terminal that cannot be read), OB_ESTATE (interrupted, and not ended by it), OB_EUSAGE (nothing
 *          was typed); ret_line is then empty.
 * Threads: one at a time.
 * Source:  readpassphrase(3) of OpenBSD. */
#ifndef OB_CLI_HIDDEN_LINE_H
#define OB_CLI_HIDDEN_LINE_H

#include <stddef.h>

#include "base/err.h"

/* terminal: its descriptor. What is too long is cut off. ret_line: without the end of the line; the caller wipes it. */
OB_MUST_USE enum ob_err ob_cli_hidden_line(int terminal, const char *prompt, char *ret_line, size_t bytes,
                                           struct ob_error *error);

#endif
