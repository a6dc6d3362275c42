/* streams - the page's news as server-sent events: /events, for as long as a reader stays.
 *
 *   event: status   data: the status (JSON), about once a second
 *   event: rows     data: rows of the history as CSV without titles, those that ended since the last event
 *   event: lost     data: why the daemon does not answer just now
 *
 * Bounds:  OB_WEB_STREAMS streams; each holds one event at a time and gets the next when that is sent: who reads slowly misses
 *          states, and costs one event and OB_WEB_STREAM_BUFFER in the kernel. At most about OB_WEB_STREAM_RATE bytes
 *          a second. A stream ends after OB_WEB_STREAM_SECONDS (a browser then asks again), or when nothing of an event could be sent
 *          for OB_WEB_SECONDS.
 * Errors:  NULL when there is no place or no memory.
 * Owns:    the events; the response is the caller's, and its end frees the stream's place.
 * Threads: that of the server. Streams with nothing to say are suspended, so that waiting costs nothing.
 * Source:  HTML Living Standard, 9.2 Server-sent events. */
#ifndef OB_WEB_STREAMS_H
#define OB_WEB_STREAMS_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "web/sources.h"

#define OB_WEB_STREAMS        8
#define OB_WEB_STREAM_SECONDS 3600
#define OB_WEB_STREAM_BUFFER  32768
#define OB_WEB_STREAM_RATE    65536
#define OB_WEB_STREAM_ROWS    OB_WEB_RECENT_ROWS /* of an event at most: the newest */

struct ob_web_stream {
    struct MHD_Connection *connection; /* NULL: a free place */
    char *text;                        /* what is being sent, from `at`; owned; NULL: nothing */
    size_t bytes, at;
    double newest; /* Unix seconds of the last row that was sent; NaN: none yet */
    uint64_t since_ns, due_ns;
    bool suspended, over;
};

struct ob_web_streams {
    struct ob_web_sources *sources; /* borrowed */
    struct ob_web_stream places[OB_WEB_STREAMS];
};

/* The answer to a request for /events. */
struct MHD_Response *ob_web_stream_open(struct ob_web_streams *streams, struct MHD_Connection *connection);
/* Gives those their news that are due; each turn of the server. */
void ob_web_streams_tend(struct ob_web_streams *streams, uint64_t now_ns);
/* All end at the server's next turn. */
void ob_web_streams_end(struct ob_web_streams *streams);

/* The lines of `csv` whose first number is above *newest (NaN: none of them), the last OB_WEB_STREAM_ROWS at most; *newest
 * becomes the last one's. `csv` has a title line. Returns where they begin, and their bytes. */
const char *ob_web_rows_after(const char *csv, double *newest, size_t *ret_bytes);

#endif
