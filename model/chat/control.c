#include "model/chat/control.h"

#include <assert.h>
#include <string.h>

bool ob_chat_next_control(const char **at, const char **ret_text, size_t *ret_bytes,
                          struct ob_chat_control *ret_control) {
    static const char KINDS[] = {OB_CHAT_MARK, OB_CHAT_BOS, OB_CHAT_EOS, 0};
    size_t bytes = strcspn(*at, KINDS);
    const char *control = *at + bytes;
    if (*control == 0)
        return false;
    *ret_text = *at;
    *ret_bytes = bytes;
    *ret_control = (struct ob_chat_control){.kind = *control, .text = control + 1};
    *at = control + 1;
    if (*control == OB_CHAT_MARK) {
        const char *end = strchr(control + 1, OB_CHAT_MARK);
        assert(end != NULL && end > control + 1 && end - control <= OB_CHAT_CONTROL_MAX);
        ret_control->bytes = (size_t)(end - control - 1);
        *at = end + 1;
    }
    return true;
}

int32_t ob_chat_control_id(const struct ob_chat *chat, const struct ob_chat_control *control) {
    if (control->kind != OB_CHAT_MARK)
        return control->kind == OB_CHAT_BOS ? chat->bos : chat->eos;
    return ob_tokenizer_special(chat->tokenizer, control->text, control->bytes);
}
