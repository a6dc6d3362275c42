#include "model/chat/known.h"

#include <sodium/crypto_generichash.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"

/* As tests/parity/make_chat.py prints them. */
static const struct {
    const char *hash, *format;
} KNOWN[] = {
    {"827b1b44d7e035c3f79e595cfd2472e7f08a2764ccbb98d1d4e95d96f882ae0b", "chatml"},
    {"77a24678cebb3390e9502036ce9564cb538d26bf99d15145d6943eee367fce73", "chatml"},
    {"d3a0def017a2375da38d22f044e3ec02719b4733de9697f5dd023c0480456d6a", "chatml"},
    {"786dc803909c78d9d03264ecb6d82c6bcbbe28070b7e342b474af75e0d1c93db", "smollm2"},
    {"fc25cbbc1058cef0be97e799f5d68b257a6598c66752487c3d8613284493ac46", "smollm2"},
    {"7cb398e81113b4aee262bd9621f9186062cf6d071f87ac2c0f735f064e2a3e50", "qwen2"},
    {"896ac243b6a3cc09bb12e5e8b9f207e2b543f4c6163d26f23af06ee44dff2fa4", "qwen2"},
    {"ef0829bf42c538a9bbd234c9664d95d9504fb8e6939b293dea2c595107b35170", "qwen2.5"},
    {"b9dfc3e866d8e1360059a0d3bb3094ef035279d0a5bdb60bab369537cf0b9ece", "qwen3"},
    {"9f5090d79b6197a19b77603444b9cf5282ab6ca2ca628f365f76bd94ce22418d", "qwen3"},
    {"515ffe8c8a537bab5e241cb773f7b6670a53093da159e4db18c0ac7e118c251c", "llama2"},
    {"f492fafa786d0339e4ec08e6dfa64f149d51c21bdf6898490862665493426ded", "llama2"},
    {"05facb19f527d33e1ba2066abb9656dc46ff7f61a33d5419bbd0f773d3519478", "llama3"},
    {"fa98af1438b315b19a43afaff38f0474a3cbcae6e8bead3aea4ab7d8d841e8ca", "llama3"},
    {"57a8c20780bfb41e320b31e7d20285cb33a0a23b65ddf18c92e65feadb207e71", "llama3.1"},
    {"51e68c9f989467577fb67f8e1d45e58110c1ca737735c3662bd62c2d93112828", "llama3.1"},
    {"69fa5266447ad711ab8e930f2b4f0ce98e77e4f4b775b8578442ebfe4df1ee13", "mistral-v0.1"},
    {"d2b69567bd62e7debbf059d5ae3b0ff624047cfb6c63985b568576d915ad9e50", "mistral-v0.2"},
    {"64ec9e3d69228990b0c19522c86be67f8e4fc57a3554e46f4d7d3600d223a14e", "mistral-v1"},
    {"f0ba0be2f352fcd913b00715009f03ebfb9e91168c65f6554035745ed1865308", "mistral-v3"},
    {"72495f784453d4d1891ae507a92fc48ac388164a320bd5de3251523344cb42be", "mistral-tekken"},
    {"0f3056a4748e3d4f1f959a02b176815325f89e48ce0d97d86930b4406aef3dd8", "gemma"},
    {"1adb927c4fd2de1780d97f7b847b3ccee932cfceed786ac35fd3786f11a9f03a", "gemma"},
    {"e2e50dcf2ef8038fdf2a7924a89fbac171d5de7bbd96e11e049b0e9000f0daaf", "gemma3"},
    {"59c73e231d81c39a8c5c3271701364d215bcd4342a0f28337661284cc33cadaf", "zephyr"},
    {"d75633763bb85301d36d4dbffdfc52f0d376c79d1367b86375df7b21d71c035f", "zephyr"},
};

enum ob_err ob_chat_hash(const char *text, size_t bytes, char ret_hash[static OB_CHAT_HASH_HEX],
                         struct ob_error *error) {
    char *read = malloc(bytes + 1);
    size_t count = 0;
    if (read == NULL)
        return ob_fail(error, OB_ENOMEM, "not enough memory for a chat template");
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '\r' && i + 1 < bytes && text[i + 1] == '\n')
            continue;
        read[count++] = (char)(text[i] == '\r' ? '\n' : text[i]);
    }
    count -= count > 0 && read[count - 1] == '\n';
    uint8_t hash[(OB_CHAT_HASH_HEX - 1) / 2];
    (void)crypto_generichash(hash, sizeof hash, (const uint8_t *)read, count, NULL, 0);
    (void)ob_hex_encode(hash, sizeof hash, ret_hash);
    free(read);
    return OB_OK;
}

const char *ob_chat_known(const char *hash) {
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (strcmp(KNOWN[i].hash, hash) == 0)
            return KNOWN[i].format;
    return NULL;
}
