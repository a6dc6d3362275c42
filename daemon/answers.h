/* answers - how much of our bandwidth questions may cost: of one machine, and of all.
 *
 * A question of 38 bytes may be answered with 60 kB. Each machine has an account of questions and of bytes that fills with
 * time, and what all get together has one as well. A part of that is kept for machines that have asked for little lately, so
 * that a newcomer is answered although others ask as fast as they can. Questions for records wait until they can be paid
 * for, a few of each machine; everything else that cannot be paid is refused, and counted: who needs it asks again. Whether
 * a record counts does not depend on it.
 *
 *                                    a second      at once
 *   questions of a machine           256           1,024
 *   bytes to a machine               4 MiB         8 MiB
 *   bytes to all                     12 MiB        16 MiB
 *   … and for those that asked for   4 MiB         4 MiB
 *     less than half of their burst
 *
 * Bounds:  OB_ANSWERS_ACCOUNTS machines are remembered; the one that was silent longest makes way. OB_ANSWERS_WAITING
 *          questions wait, OB_ANSWERS_WAITING_EACH of one machine.
 * Threads: the network thread. Time: monotonic nanoseconds, handed in. */
#ifndef OB_DAEMON_ANSWERS_H
#define OB_DAEMON_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "peer/events.h"

#define OB_ANSWERS_ACCOUNTS     256
#define OB_ANSWERS_WAITING      256
#define OB_ANSWERS_WAITING_EACH 32

struct ob_answer_account {
    struct ob_machine_id machine;
    double questions, bytes;
    uint64_t filled_ns;
};

struct ob_waiting_question {
    struct ob_machine_id machine;
    struct ob_effect_serve serve;
};

/* Zeros are a start. */
struct ob_answers {
    struct ob_answer_account accounts[OB_ANSWERS_ACCOUNTS];
    size_t account_count;
    double common, kept; /* bytes: for all, and for those that asked for little */
    uint64_t filled_ns;
    struct ob_waiting_question waiting[OB_ANSWERS_WAITING]; /* oldest first */
    size_t waiting_count;
    bool looked; /* none of them could be paid for, at … */
    uint64_t looked_ns;
    uint64_t refused; /* questions and answers */
};

/* A frame of a machine, by its kind: true when it is a question. */
bool ob_answers_is_question(const uint8_t *data, size_t bytes);
/* A question came: false, there were too many, and it is refused. */
bool ob_answers_question(struct ob_answers *answers, const struct ob_machine_id *machine, uint64_t now_ns);
/* An answer of so many bytes: true when it may be sent, and is paid for. What is refused is counted. */
bool ob_answers_pay(struct ob_answers *answers, const struct ob_machine_id *machine, size_t bytes,
                    uint64_t now_ns);
/* Records that are asked for wait their turn. */
void ob_answers_wait(struct ob_answers *answers, const struct ob_machine_id *machine,
                     const struct ob_effect_serve *serve);
/* The next question that can be paid for, if there is one; its answer is paid for by ob_answers_paid. */
bool ob_answers_next(struct ob_answers *answers, uint64_t now_ns, struct ob_waiting_question *ret_question);
void ob_answers_paid(struct ob_answers *answers, const struct ob_machine_id *machine, size_t bytes,
                     uint64_t now_ns);

#endif
