#include "web/streams.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

/* ---- an event ---- */

const char *ob_web_rows_after(const char *csv, double *newest, size_t *ret_bytes) {
    size_t end = strlen(csv), first = end, rows = 0;
    double last = NAN;
    while (first > 0 && rows < OB_WEB_STREAM_ROWS) {
        size_t start = first - 1;
        while (start > 0 && csv[start - 1] != '\n')
            start--;
        char *after = NULL;
        double time = strtod(csv + start, &after);
        if (start == 0 || after == csv + start || !isfinite(time)) /* the first line has titles */
            break;
        last = isnan(last) ? time : last;
        if (isnan(*newest) || time <= *newest)
            break;
        first = start;
        rows++;
    }
    *newest = isnan(last) ? *newest : last;
    *ret_bytes = end - first;
    return csv + first;
}

/* Each line of the text is one of the event. */
static void put_event(FILE *out, const char *name, const char *text, size_t bytes) {
    (void)fprintf(out, "event: %s\n", name);
    while (bytes > 0) {
        const char *stop = memchr(text, '\n', bytes);
        size_t line = stop ? (size_t)(stop - text) : bytes;
        (void)fprintf(out, "data: %.*s\n", (int)line, text);
        text += line + (stop != NULL);
        bytes -= line + (stop != NULL);
    }
    (void)fputc('\n', out);
}

static void put_rows(struct ob_web_sources *sources, double *newest, FILE *out) {
    char *csv = NULL;
    size_t bytes = 0;
    if (ob_web_source_text(sources, OB_WEB_RECENT, &csv, &bytes, NULL))
        return;
    const char *rows = ob_web_rows_after(csv, newest, &bytes);
    if (isnan(*newest)) /* there is none yet: all that come */
        *newest = 0;
    if (bytes > 0)
        put_event(out, "rows", rows, bytes);
    free(csv);
}

static void make_news(struct ob_web_sources *sources, struct ob_web_stream *stream) {
    struct ob_error error = {0};
    char *status = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&stream->text, &stream->bytes);
    stream->at = 0;
    if (!out) {
        stream->text = NULL;
        return;
    }
    if (ob_web_source_text(sources, OB_WEB_STATUS, &status, &bytes, &error)) {
        put_event(out, "lost", error.text, strlen(error.text));
    } else {
        put_event(out, "status", status, bytes);
        put_rows(sources, &stream->newest, out);
    }
    free(status);
    bool bad = ferror(out) != 0;
    if (fclose(out) == 0 && !bad)
        return;
    free(stream->text);
    stream->text = NULL;
}

/* ---- a stream ---- */

static void drop_text(struct ob_web_stream *stream) {
    free(stream->text);
    stream->text = NULL;
}

static ssize_t read_news(void *context, uint64_t position, char *ret_data, size_t capacity) {
    struct ob_web_stream *stream = context;
    (void)position;
    if (!stream->text && stream->over)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (!stream->text) {
        stream->suspended = true;
        MHD_suspend_connection(stream->connection);
        return 0;
    }
    size_t left = stream->bytes - stream->at, count = left < capacity ? left : capacity;
    memcpy(ret_data, stream->text + stream->at, count);
    stream->at += count;
    if (stream->at == stream->bytes)
        drop_text(stream);
    return (ssize_t)count;
}

static void free_place(void *context) {
    struct ob_web_stream *stream = context;
    drop_text(stream);
    stream->connection = NULL;
}

/* What waits in the kernel for a reader that does not read is not much. */
static void bound_buffer(struct MHD_Connection *connection) {
    int bytes = OB_WEB_STREAM_BUFFER;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info)
        (void)setsockopt(info->connect_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

struct MHD_Response *ob_web_stream_open(struct ob_web_streams *streams, struct MHD_Connection *connection) {
    for (size_t i = 0; i < OB_WEB_STREAMS; i++) {
        struct ob_web_stream *stream = &streams->places[i];
        if (stream->connection)
            continue;
        struct MHD_Response *response =
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 8192, read_news, stream, free_place);
        if (!response)
            return NULL;
        bound_buffer(connection);
        *stream = (struct ob_web_stream){.connection = connection, .newest = NAN, .since_ns = ob_now_ns()};
        return response;
    }
    return NULL;
}

static void resume(struct ob_web_stream *stream) {
    stream->suspended = false;
    MHD_resume_connection(stream->connection);
}

void ob_web_streams_tend(struct ob_web_streams *streams, uint64_t now_ns) {
    for (size_t i = 0; i < OB_WEB_STREAMS; i++) {
        struct ob_web_stream *stream = &streams->places[i];
        if (!stream->connection || !stream->suspended)
            continue;
        stream->over = stream->over || now_ns - stream->since_ns > OB_WEB_STREAM_SECONDS * OB_SECOND_NS;
        if (!stream->over && now_ns < stream->due_ns)
            continue;
        if (!stream->over)
            make_news(streams->sources, stream);
        uint64_t rest_ns = (uint64_t)stream->bytes * OB_SECOND_NS / OB_WEB_STREAM_RATE;
        stream->due_ns = now_ns + (rest_ns > OB_WEB_FRESH_NS ? rest_ns : OB_WEB_FRESH_NS);
        if (stream->text || stream->over)
            resume(stream);
    }
}

void ob_web_streams_end(struct ob_web_streams *streams) {
    for (size_t i = 0; i < OB_WEB_STREAMS; i++) {
        struct ob_web_stream *stream = &streams->places[i];
        if (!stream->connection)
            continue;
        stream->over = true;
        drop_text(stream);
        if (stream->suspended)
            resume(stream);
    }
}
