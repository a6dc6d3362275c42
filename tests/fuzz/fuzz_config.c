/* fuzz_config - any bytes as a configuration file: either it is followed and its values lie in their ranges,
 * or there is an error with a text. */
#include <assert.h>

#include "daemon/config.h"
#include "tests/fuzz/memory_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct memory_file file = memory_file_new(data, bytes);
    struct ob_config *config = NULL;
    struct ob_error error = {0};
    if (ob_config_read(file.path, NULL, 0, &config, &error) != OB_OK) {
        assert(config == NULL && error.text[0] != 0);
    } else {
        assert(config->batch >= 1 && config->length >= 2 && config->shards >= 1);
        assert(config->state_dir[0] != 0);
        assert(config->when.count <= OB_RUN_WINDOWS_MAX &&
               (config->when.kind == OB_RUN_TIMES) == (config->when.count > 0));
        ob_config_free(config);
    }
    memory_file_free(&file);
    return 0;
}
