/* rows FOLDER ROWS [THREADS [CACHE]]: at how many MB/s a JSON Lines file is read and tokenized, with 1 thread and with THREADS
 * (all processors when it is not given); then twice
 * with the tokens kept in CACHE. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "model/convert/open_tokenizer.h"
#include "model/data/corpus.h"
#include "run/replica.h"

static double processor_seconds(void) {
    return (double)clock() / CLOCKS_PER_SEC; /* of all threads: what a busy machine does not falsify */
}

static enum ob_err measure(const char *path, const struct ob_tokenizer *tokenizer, unsigned threads,
                           const char *cache, struct ob_error *error) {
    struct ob_pool *pool = NULL;
    struct ob_corpus *corpus = NULL;
    struct stat status;
    enum ob_err err = ob_pool_new(threads, &pool, error);
    uint64_t start = ob_now_ns();
    double used = processor_seconds();
    struct ob_corpus_options options = {.length_max = 1024, .pool = pool, .cache = cache};
    if (err == OB_OK)
        err = ob_corpus_open(path, tokenizer, &options, &corpus, error);
    double seconds = ob_seconds_since(start), megabytes = 0;
    used = processor_seconds() - used;
    if (err == OB_OK && stat(path, &status) == 0) {
        megabytes = (double)status.st_size * 1e-6;
        printf("%u threads%s: %.2f s, %.1f MB/s, %.1f MB a processor-second, %zu tokens\n", threads,
               ob_corpus_is_cached(corpus) ? ", kept tokens" : "", seconds, megabytes / seconds,
               megabytes / used, ob_corpus_tokens(corpus));
    }
    ob_corpus_free(corpus);
    ob_pool_free(pool);
    return err;
}

int main(int count, char **arguments) {
    struct ob_tokenizer *tokenizer = NULL;
    struct ob_error error = {0};
    unsigned threads = count > 3 ? (unsigned)strtoul(arguments[3], NULL, 10) : ob_processors();
    enum ob_err err = count < 3 ? ob_fail(&error, OB_EUSAGE, "usage: rows FOLDER ROWS [THREADS [CACHE]]")
                                : ob_tokenizer_open(arguments[1], &tokenizer, &error);
    if (err == OB_OK)
        err = measure(arguments[2], tokenizer, 1, NULL, &error);
    if (err == OB_OK && threads > 1)
        err = measure(arguments[2], tokenizer, threads, NULL, &error);
    const char *cache = count > 4 ? arguments[4] : NULL;
    for (int start = 0; err == OB_OK && cache != NULL && start < 2; start++)
        err = measure(arguments[2], tokenizer, threads, cache, &error);
    if (err != OB_OK)
        (void)fprintf(stderr, "%s\n", error.text);
    ob_tokenizer_free(tokenizer);
    return err == OB_OK ? 0 : 1;
}
