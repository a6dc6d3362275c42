#include "model/formats/safetensors.h"

#include <unistd.h>

#include "base/path.h"
#include "model/formats/safetensors_file.h"
#include "model/formats/safetensors_index.h"

typedef enum ob_err (*fill_fn)(struct ob_checkpoint *checkpoint, const char *from, struct ob_error *error);

static enum ob_err open_with(fill_fn fill, const char *name, const char *from,
                             struct ob_checkpoint **ret_checkpoint, struct ob_error *error) {
    struct ob_checkpoint *checkpoint = NULL;
    enum ob_err failed = ob_checkpoint_new(name, &checkpoint, error);
    if (!failed)
        failed = fill(checkpoint, from, error);
    if (failed) {
        ob_checkpoint_free(checkpoint);
        return failed;
    }
    *ret_checkpoint = checkpoint;
    return OB_OK;
}

enum ob_err ob_safetensors_open(const char *path, struct ob_checkpoint **ret_checkpoint,
                                struct ob_error *error) {
    return open_with(ob_safetensors_add_file, path, path, ret_checkpoint, error);
}

static bool is_there(const char *folder, const char *name, char path[OB_PATH_MAX]) {
    return ob_path_join(path, folder, name, NULL) == OB_OK && access(path, F_OK) == 0;
}

enum ob_err ob_safetensors_open_folder(const char *folder, struct ob_checkpoint **ret_checkpoint,
                                       struct ob_error *error) {
    char path[OB_PATH_MAX];
    if (is_there(folder, "model.safetensors", path))
        return ob_safetensors_open(path, ret_checkpoint, error);
    if (is_there(folder, OB_SAFETENSORS_INDEX, path))
        return open_with(ob_safetensors_add_index, path, folder, ret_checkpoint, error);
    if (is_there(folder, "pytorch_model.bin", path) || is_there(folder, "pytorch_model.bin.index.json", path))
        return ob_fail(error, OB_EUNSUPPORTED,
                       "%s: a pickle, which can run code when it is loaded; save the model as safetensors "
                       "(transformers: save_pretrained)",
                       path);
    return ob_fail(error, OB_ENOTFOUND, "%s: contains neither model.safetensors nor %s", folder,
                   OB_SAFETENSORS_INDEX);
}
