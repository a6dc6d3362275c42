/* export - writing a model as other software loads it: a Hugging Face folder, or a GGUF file.
 *
 * The source's values (lane 0, unperturbed) in float32, float16 or bfloat16, rounded half to even. Each format writes
 * into FOLDER, which must not exist or be empty, and with it FOLDER/README.md, the model card:
 *
 *   safetensors  model.safetensors under the canonical names; config.json with its torch_dtype set; the tokenizer's
 *                files: those of the base folder, or made from the base's GGUF metadata. Adapters are merged.
 *   gguf         model.gguf with configuration and tokenizer in its metadata: those of the base file as they are, or
 *                made from the base folder. Vectors and positions stay float32, which llama.cpp wants. Adapters are
 *                merged.
 *   peft         the adapters alone: adapter_config.json and adapter_model.safetensors.
 *
 * Files are written under temporary names, synced and renamed, the weights last, so that a reader never sees half a
 * file. export_check.h compares them with what they were to hold.
 *
 * Errors:  OB_EIO, OB_EBUSY (the folder holds files), OB_ENOMEM: name the file. OB_EUNSUPPORTED: GGUF has no name for
 *          the family, a tensor or the tokenizer; peft without adapters, or with trained base tensors. */
#ifndef OB_MODEL_CONVERT_EXPORT_H
#define OB_MODEL_CONVERT_EXPORT_H

#include "model/convert/export_options.h"
#include "model/families/weight_source.h"

#define OB_EXPORT_PEFT_PREFIX "base_model.model." /* before the names of tensors */

OB_MUST_USE enum ob_err ob_model_export(const struct ob_weight_source *source,
                                        const struct ob_export_options *options, const char *folder,
                                        struct ob_error *error);

#endif
