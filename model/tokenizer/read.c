/* A tokenizer.json into a tokenizer. Truncation and padding are accepted and have no effect: nothing is cut
 * off or filled up here. */
#include "model/tokenizer/json.h"
#include "model/tokenizer/tokenizer_internal.h"

enum ob_err ob_tokenizer_read(struct ob_tokenizer *tokenizer, const json_t *root, struct ob_error *error) {
    const json_t *pre = ob_json_field(root, "pre_tokenizer"), *added = ob_json_field(root, "added_tokens");
    bool byte_level = ob_pre_tokenizer_is_byte_level(pre);
    if (!json_is_object(root))
        return ob_fail(error, OB_EFORMAT, "not a JSON object");
    enum ob_err err = ob_tokenizer_read_normalizer(tokenizer, ob_json_field(root, "normalizer"), error);
    if (err == OB_OK)
        err = ob_tokenizer_read_pre(tokenizer, pre, byte_level, error);
    if (err == OB_OK)
        err = ob_tokenizer_read_model(tokenizer, ob_json_field(root, "model"), added, byte_level, error);
    if (err == OB_OK)
        err = ob_tokenizer_read_added(tokenizer, added, byte_level, error);
    if (err == OB_OK)
        err = ob_tokenizer_read_decoder(tokenizer, ob_json_field(root, "decoder"), byte_level, error);
    return err != OB_OK
               ? err
               : ob_tokenizer_read_processor(tokenizer, ob_json_field(root, "post_processor"), error);
}
