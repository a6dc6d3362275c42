#include "model/data/input.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/access.h"

#define BUFFER_BYTES (256u << 10)

enum packing { PLAIN, GZIP, ZSTD };

struct ob_input {
    char *path;
    int file;
    uint64_t done, size;
    enum packing packing;
    z_stream gzip;
    ZSTD_DStream *zstd;
    bool open; /* of something compressed: a member or frame has begun and not ended */
    size_t at, filled;
    char buffer[BUFFER_BYTES]; /* of the file; [at, filled) is still to be used */
};

/* ---- what a file is ---- */

static bool begins(const struct ob_input *input, const char *magic, size_t bytes) {
    return input->filled >= bytes && memcmp(input->buffer, magic, bytes) == 0;
}
#define BEGINS(input, magic) begins(input, magic, sizeof(magic) - 1)

static const char *name_binary(const struct ob_input *input) {
    if (BEGINS(input, "PAR1"))
        return "a Parquet file, which is not read; convert it: python3 -c \"import pandas; "
               "pandas.read_parquet('FILE').to_json('rows.jsonl', orient='records', lines=True)\"";
    if (BEGINS(input, "ARROW1"))
        return "an Arrow file, which is not read; convert it: python3 -c \"import pandas; "
               "pandas.read_feather('FILE').to_json('rows.jsonl', orient='records', lines=True)\"";
    if (BEGINS(input, "PK\3\4"))
        return "a zip archive; unpack it first: unzip FILE";
    if (BEGINS(input, "\xfd"
                      "7zXZ\0"))
        return "compressed by xz; unpack it first: xz -dk FILE (gzip and zstd are read as they are)";
    if (BEGINS(input, "BZh"))
        return "compressed by bzip2; unpack it first: bzip2 -dk FILE (gzip and zstd are read as they are)";
    if (BEGINS(input, "\xff\xfe\0\0") || BEGINS(input, "\0\0\xfe\xff"))
        return "UTF-32 text; convert it: iconv -f UTF-32 -t UTF-8 FILE >rows.jsonl";
    if (BEGINS(input, "\xff\xfe") || BEGINS(input, "\xfe\xff"))
        return "UTF-16 text; convert it: iconv -f UTF-16 -t UTF-8 FILE >rows.jsonl";
    return NULL;
}

/* text: its beginning, and whether it is all of the file. */
static const char *name_text(const char *text, size_t bytes) {
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        bytes -= 3;
    }
    while (bytes > 0 && strchr(" \t\r\n", *text) != NULL && *text != 0) {
        text++;
        bytes--;
    }
    const char *newline = bytes > 0 ? memchr(text, '\n', bytes) : NULL;
    size_t line = newline != NULL ? (size_t)(newline - text) : bytes;
    while (line > 0 && strchr(" \t\r", text[line - 1]) != NULL && text[line - 1] != 0)
        line--;
    if (line == 0)
        return NULL;
    if (text[0] == '[')
        return "a JSON array; write one object a line: jq -c '.[]' FILE >rows.jsonl";
    if (text[0] == '{' && line == 1 && newline != NULL)
        return "JSON with objects over several lines; write one object a line: jq -c . FILE >rows.jsonl";
    bool is_number = text[0] == '-' || (text[0] >= '0' && text[0] <= '9');
    bool is_json =
        is_number || strchr("{\"", text[0]) != NULL || (line >= 4 && memcmp(text, "true", 4) == 0) ||
        (line >= 4 && memcmp(text, "null", 4) == 0) || (line >= 5 && memcmp(text, "false", 5) == 0);
    if (newline != NULL && !is_json && (memchr(text, ',', line) != NULL || memchr(text, '\t', line) != NULL))
        return "not JSON Lines: line 1 looks like the head of a CSV or TSV table; convert it: python3 -c "
               "\"import "
               "pandas; pandas.read_csv('FILE').to_json('rows.jsonl', orient='records', lines=True)\"";
    return NULL;
}

static enum ob_err refuse(const struct ob_input *input, const char *what, struct ob_error *error) {
    return ob_fail(error, OB_EUNSUPPORTED, "%.200s: %s", input->path, what);
}

/* ---- reading ---- */

/* More of the file into the empty buffer. */
static enum ob_err fill(struct ob_input *input, struct ob_error *error) {
    ssize_t got;
    do
        got = read(input->file, input->buffer, BUFFER_BYTES);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return ob_access_fail(error, input->path, "cannot read", errno);
    input->at = 0;
    input->filled = (size_t)got;
    input->done += (uint64_t)got;
    return OB_OK;
}

static enum ob_err damaged(const struct ob_input *input, const char *why, struct ob_error *error) {
    return ob_fail(error, OB_EFORMAT, "%s: the compressed data is damaged: %s", input->path, why);
}

/* One call of the decompressor on what is in the buffer; *ret_bytes may be 0. */
static enum ob_err inflate_some(struct ob_input *input, char *data, size_t bytes, size_t *ret_bytes,
                                struct ob_error *error) {
    z_stream *z = &input->gzip;
    z->next_in = (Bytef *)input->buffer + input->at;
    z->avail_in = (uInt)(input->filled - input->at);
    z->next_out = (Bytef *)data;
    z->avail_out = (uInt)bytes;
    int result = inflate(z, Z_NO_FLUSH);
    input->at = input->filled - z->avail_in;
    *ret_bytes = bytes - z->avail_out;
    input->open = result != Z_STREAM_END;
    if (result == Z_STREAM_END) /* another member may follow */
        result = inflateReset(z);
    if (result == Z_MEM_ERROR)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory to unpack it", input->path);
    return result == Z_OK || result == Z_BUF_ERROR
               ? OB_OK
               : damaged(input, z->msg != NULL ? z->msg : "it is not gzip", error);
}

static enum ob_err unzstd_some(struct ob_input *input, char *data, size_t bytes, size_t *ret_bytes,
                               struct ob_error *error) {
    ZSTD_inBuffer in = {input->buffer, input->filled, input->at};
    ZSTD_outBuffer out = {data, bytes, 0};
    size_t result = ZSTD_decompressStream(input->zstd, &out, &in);
    input->at = in.pos;
    *ret_bytes = out.pos;
    input->open = result != 0;
    return ZSTD_isError(result) ? damaged(input, ZSTD_getErrorName(result), error) : OB_OK;
}

static enum ob_err read_packed(struct ob_input *input, char *data, size_t bytes, size_t *ret_bytes,
                               struct ob_error *error) {
    enum ob_err err = OB_OK;
    size_t most = bytes < (1u << 30) ? bytes : 1u << 30;
    *ret_bytes = 0;
    while (err == OB_OK && *ret_bytes == 0) {
        size_t left = input->filled - input->at;
        if (left == 0 && (err = fill(input, error)) != OB_OK)
            return err;
        bool ended = input->filled == 0;
        if (ended && !input->open)
            return OB_OK;
        err = input->packing == GZIP ? inflate_some(input, data, most, ret_bytes, error)
                                     : unzstd_some(input, data, most, ret_bytes, error);
        if (err == OB_OK && ended && *ret_bytes == 0)
            return damaged(input, "it is cut short", error);
    }
    return err;
}

enum ob_err ob_input_read(struct ob_input *input, char *data, size_t bytes, size_t *ret_bytes,
                          struct ob_error *error) {
    assert(bytes > 0);
    if (input->packing != PLAIN)
        return read_packed(input, data, bytes, ret_bytes, error);
    enum ob_err err = input->at == input->filled ? fill(input, error) : OB_OK;
    if (err != OB_OK)
        return err;
    size_t left = input->filled - input->at;
    *ret_bytes = left < bytes ? left : bytes;
    memcpy(data, input->buffer + input->at, *ret_bytes);
    input->at += *ret_bytes;
    return OB_OK;
}

uint64_t ob_input_done(const struct ob_input *input) {
    return input->done - (input->filled - input->at);
}

uint64_t ob_input_size(const struct ob_input *input) {
    return input->size;
}

/* ---- opening ---- */

static enum ob_err start_unpacking(struct ob_input *input, struct ob_error *error) {
    bool ok = true;
    if (BEGINS(input, "\x1f\x8b")) {
        ok = inflateInit2(&input->gzip, 15 + 16) == Z_OK;
        input->packing = ok ? GZIP : PLAIN;
    } else if (BEGINS(input, "\x28\xb5\x2f\xfd")) {
        input->zstd = ZSTD_createDStream();
        ok = input->zstd != NULL;
        input->packing = ZSTD;
    }
    return ok ? OB_OK : ob_fail(error, OB_ENOMEM, "%s: not enough memory to unpack it", input->path);
}

static enum ob_err open_file(struct ob_input *input, const char *path, struct ob_error *error) {
    struct stat status;
    input->file = open(path, O_RDONLY | O_CLOEXEC);
    if (input->file < 0)
        return ob_access_fail(error, path, "cannot open", errno);
    input->path = strdup(path);
    if (input->path == NULL)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory to read it", path);
    if (fstat(input->file, &status) == 0 && S_ISREG(status.st_mode))
        input->size = (uint64_t)status.st_size;
    enum ob_err err = fill(input, error);
    const char *other = err == OB_OK ? name_binary(input) : NULL;
    if (other != NULL)
        return refuse(input, other, error);
    if (err == OB_OK)
        err = start_unpacking(input, error);
    if (err != OB_OK || input->packing != PLAIN)
        return err;
    other = name_text(input->buffer, input->filled);
    return other != NULL ? refuse(input, other, error) : OB_OK;
}

enum ob_err ob_input_open(const char *path, struct ob_input **ret_input, struct ob_error *error) {
    struct ob_input *input = malloc(sizeof *input);
    if (input == NULL)
        return ob_fail(error, OB_ENOMEM, "%s: not enough memory to read it", path);
    memset(input, 0, offsetof(struct ob_input, buffer));
    input->file = -1;
    enum ob_err err = open_file(input, path, error);
    if (err != OB_OK) {
        ob_input_free(input);
        return err;
    }
    *ret_input = input;
    return OB_OK;
}

void ob_input_free(struct ob_input *input) {
    if (input == NULL)
        return;
    if (input->packing == GZIP)
        (void)inflateEnd(&input->gzip);
    (void)ZSTD_freeDStream(input->zstd);
    if (input->file >= 0)
        (void)close(input->file);
    free(input->path);
    free(input);
}
