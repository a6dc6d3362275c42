/* json - JSON in tests: files in and out, and one member of a document replaced.
 * Errors: none come back: what cannot be done says why and ends the test (abort). */
#ifndef OB_TESTS_SUPPORT_JSON_H
#define OB_TESTS_SUPPORT_JSON_H

#include <jansson.h>

json_t *test_json_read(const char *path);              /* the caller's */
json_t *test_json_parse(const char *text);             /* any value; the caller's */
void test_json_write(const char *path, json_t *root);  /* takes root */
char *test_json_text(json_t *root, size_t *ret_bytes); /* takes root; malloc'ed; ret_bytes may be NULL */
/* Puts the JSON `value` (NULL: removes what is there) at a path of keys and indexes: "tensors.0.name". */
void test_json_put(json_t *root, const char *path, const char *value);

#endif
