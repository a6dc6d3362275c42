/* problem_list - what is not as it should be, as a status shows it; made by daemon/problems.c. */
#ifndef OB_DAEMON_PROBLEM_LIST_H
#define OB_DAEMON_PROBLEM_LIST_H

#include <stdbool.h>
#include <stddef.h>

#define OB_PROBLEMS_MAX     24
#define OB_PROBLEM_TEXT_MAX 400

struct ob_problem {
    bool critical;                               /* training stands still or goes wrong; else a warning */
    char kind[24];                               /* one word */
    char machine[64];                            /* "": none, or this one */
    char text[OB_PROBLEM_TEXT_MAX], remedy[200]; /* "": none is needed */
};

struct ob_problems {
    struct ob_problem items[OB_PROBLEMS_MAX];
    size_t count, left_out;
};

#endif
