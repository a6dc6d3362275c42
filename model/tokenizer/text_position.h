/* text_position - where a text stands among those that are encoded. */
#ifndef OB_MODEL_TOKENIZER_TEXT_POSITION_H
#define OB_MODEL_TOKENIZER_TEXT_POSITION_H

enum ob_text_position {
    OB_TEXT_FIRST,     /* of a sequence */
    OB_TEXT_INNER,     /* between special tokens */
    OB_TEXT_CONTINUED, /* behind another text: nothing is put before it */
};

#endif
