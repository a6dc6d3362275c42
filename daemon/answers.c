#include "daemon/answers.h"

#include <string.h>

#include "record/wire.h"

#define LOOK_EVERY_NS 10000000

#define MIB           1048576.0
#define QUESTIONS     1024.0
#define QUESTIONS_A_S 256.0
#define BYTES         (8 * MIB)
#define BYTES_A_S     (4 * MIB)
#define COMMON        (16 * MIB)
#define COMMON_A_S    (12 * MIB)
#define KEPT          (4 * MIB)
#define KEPT_A_S      (4 * MIB)

bool ob_answers_is_question(const uint8_t *data, size_t bytes) {
    if (bytes == 0)
        return false;
    switch (data[0]) {
    case OB_MESSAGE_FRONTIER_ASK:
    case OB_MESSAGE_RECORDS_ASK:
    case OB_MESSAGE_CONTROL_ASK:
    case OB_MESSAGE_HOLDS_ASK:
    case OB_MESSAGE_HELD_ASK:
    case OB_MESSAGE_OFFER_ASK:
    case OB_MESSAGE_MANIFEST_ASK:
        return true;
    default:
        return false;
    }
}

static double filled(double now, double a_second, double past_s, double most) {
    double sum = now + a_second * past_s;
    return sum < most ? sum : most;
}

static void fill_all(struct ob_answers *answers, uint64_t now_ns) {
    double past_s = answers->filled_ns ? 1e-9 * (double)(now_ns - answers->filled_ns) : 3600;
    answers->common = filled(answers->common, COMMON_A_S, past_s, COMMON);
    answers->kept = filled(answers->kept, KEPT_A_S, past_s, KEPT);
    answers->filled_ns = now_ns;
}

static struct ob_answer_account *account_of(struct ob_answers *answers, const struct ob_machine_id *machine,
                                            uint64_t now_ns) {
    struct ob_answer_account *oldest = answers->accounts;
    fill_all(answers, now_ns);
    for (size_t i = 0; i < answers->account_count; i++) {
        struct ob_answer_account *account = &answers->accounts[i];
        if (ob_machine_equal(&account->machine, machine)) {
            double past_s = 1e-9 * (double)(now_ns - account->filled_ns);
            account->questions = filled(account->questions, QUESTIONS_A_S, past_s, QUESTIONS);
            account->bytes = filled(account->bytes, BYTES_A_S, past_s, BYTES);
            account->filled_ns = now_ns;
            return account;
        }
        if (account->filled_ns < oldest->filled_ns)
            oldest = account;
    }
    if (answers->account_count < OB_ANSWERS_ACCOUNTS)
        oldest = &answers->accounts[answers->account_count++];
    *oldest = (struct ob_answer_account){*machine, QUESTIONS, BYTES, now_ns};
    return oldest;
}

bool ob_answers_question(struct ob_answers *answers, const struct ob_machine_id *machine, uint64_t now_ns) {
    struct ob_answer_account *account = account_of(answers, machine, now_ns);
    if (account->questions < 1) {
        answers->refused++;
        return false;
    }
    account->questions--;
    return true;
}

/* Which of the accounts of all it is paid from; NULL: neither. An account is drawn from while there is anything in it. */
static double *purse(struct ob_answers *answers, const struct ob_answer_account *account) {
    if (account->bytes <= 0)
        return NULL;
    if (answers->common > 0)
        return &answers->common;
    return account->bytes >= BYTES / 2 && answers->kept > 0 ? &answers->kept : NULL;
}

void ob_answers_paid(struct ob_answers *answers, const struct ob_machine_id *machine, size_t bytes,
                     uint64_t now_ns) {
    struct ob_answer_account *account = account_of(answers, machine, now_ns);
    double *from = purse(answers, account);
    account->bytes -= (double)bytes;
    *(from ? from : &answers->common) -= (double)bytes;
}

bool ob_answers_pay(struct ob_answers *answers, const struct ob_machine_id *machine, size_t bytes,
                    uint64_t now_ns) {
    if (!purse(answers, account_of(answers, machine, now_ns))) {
        answers->refused++;
        return false;
    }
    ob_answers_paid(answers, machine, bytes, now_ns);
    return true;
}

void ob_answers_wait(struct ob_answers *answers, const struct ob_machine_id *machine,
                     const struct ob_effect_serve *serve) {
    size_t of_it = 0;
    for (size_t i = 0; i < answers->waiting_count; i++)
        of_it += ob_machine_equal(&answers->waiting[i].machine, machine);
    if (answers->waiting_count == OB_ANSWERS_WAITING || of_it == OB_ANSWERS_WAITING_EACH) {
        answers->refused++;
        return;
    }
    answers->looked = false;
    answers->waiting[answers->waiting_count++] = (struct ob_waiting_question){*machine, *serve};
}

bool ob_answers_next(struct ob_answers *answers, uint64_t now_ns, struct ob_waiting_question *ret_question) {
    if (answers->waiting_count == 0 || (answers->looked && now_ns - answers->looked_ns < LOOK_EVERY_NS))
        return false;
    for (size_t i = 0; i < answers->waiting_count; i++) {
        if (!purse(answers, account_of(answers, &answers->waiting[i].machine, now_ns)))
            continue;
        *ret_question = answers->waiting[i];
        answers->waiting_count--;
        memmove(&answers->waiting[i], &answers->waiting[i + 1],
                (answers->waiting_count - i) * sizeof *answers->waiting);
        return true;
    }
    answers->looked = true;
    answers->looked_ns = now_ns;
    return false;
}
