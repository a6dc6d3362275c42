/* fuzz_safetensors - any bytes as a checkpoint's file: refused, or every tensor of a type that
 * is decoded can be read to its end. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/formats/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void read_all(const struct ob_checkpoint_tensor *tensor) {
    float values[256];
    for (uint64_t at = 0; at < tensor->elements; at += 256) {
        uint64_t left = tensor->elements - at;
        ob_checkpoint_read(tensor, at, left < 256 ? (size_t)left : 256, values);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    char path[64];
    struct ob_checkpoint *checkpoint = NULL;
    int fd = memfd_create("checkpoint", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, bytes) != (ssize_t)bytes)
        abort();
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct ob_error error = {0};
    enum ob_err failed = ob_safetensors_open(path, &checkpoint, &error);
    if (failed && error.text[0] == 0)
        abort(); /* a refusal says why */
    for (size_t i = 0; !failed && i < checkpoint->count; i++)
        if (checkpoint->tensors[i].dtype < OB_DTYPE_COUNT) /* others are known, not decoded */
            read_all(&checkpoint->tensors[i]);
    ob_checkpoint_free(checkpoint);
    close(fd);
    return 0;
}
