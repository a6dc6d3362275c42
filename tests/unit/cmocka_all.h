/* cmocka and what it needs before it. */
#ifndef OB_TESTS_CMOCKA_ALL_H
#define OB_TESTS_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h> /* last: it needs the four above */

#endif
