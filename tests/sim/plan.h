/* plan - a schedule: what a simulated run is made of and everything that goes wrong in it.
 *
 * A plan is drawn from a seed or read from a file; the cluster carries it out and draws everything else
 * (keys, delays, which message is lost) from the plan's seed. So a plan can be printed, replayed and cut down
 * piece by piece. As text, one thing a line, `#` starts a comment:
 *
 *   NAME VALUE                                     a parameter, names in plan.c
 *   at SECONDS WORD [node=N] [other=N] [value=X] [nodes=A,B,…] [is=STATE] [for=SECONDS]
 *
 * `at end` (expect only): once everything is quiet and the machines agree.
 * Node numbers: peers first, then joiners; a copy of an identity runs on a node of its own after those. */
#ifndef OB_SIM_PLAN_H
#define OB_SIM_PLAN_H

#include <stdio.h>

#include "tests/support/random.h"

#define SIM_MILLISECONDS 1000000ull
#define SIM_SECONDS      (1000 * SIM_MILLISECONDS)
#define SIM_ENTRIES_MAX  512
#define SIM_AT_END       UINT64_MAX

enum sim_fault {
    SIM_LOSS,       /* a message is lost with probability `value` */
    SIM_DUPLICATES, /* … arrives twice … */
    SIM_SLOW,       /* … takes up to a second longer and is overtaken … */
    SIM_LAG,        /* whatever `node` sends or gets takes up to `value` seconds longer */
    SIM_ONE_WAY,    /* nothing from `node` reaches `other` (a half-open connection) */
    SIM_SPLIT,      /* `nodes` and all others do not hear one another */
    SIM_GARBLE,     /* a message of `node` has a wrong bit with probability `value` */
    SIM_LOSE,  /* the next `value` messages of kind `other` (peer/message.h) are lost, whoever sends them */
    SIM_CRASH, /* `node` loses what its disk had not synced, is back after `for` */
    SIM_TEAR,  /* the same, before the effect number `value` of `node` from now on */
    SIM_JOIN,  /* a joiner's first start */
    SIM_LEAVE, /* in good order; back after `for`, never when it is 0 */
    SIM_PAUSE, /* by its operator */
    SIM_STRAGGLE, /* rounds of `node` take `value` times as long */
    SIM_FULL,     /* the disk of `node` is full */
    SIM_BACKUP,   /* `node`'s state directory is copied … */
    SIM_RESTORE,  /* … and it comes back from the copy after `for` */
    SIM_COPY,     /* the identity of `node` and its state run on another host as well */
    SIM_FORK,     /* `node` becomes an attacker that signs two chains for `for`: `value` is an
                     enum sim_fork_kind, `nodes` hear the second one */
    SIM_HOSTILE, /* `node` becomes a member with bad intent, what for is in `value`, an enum sim_hostile_kind; without
                     `for` it stays while everybody else is healed */
    SIM_REVOKE, /* the authority revokes `node` from the part `value` of its samples on, told to `other` */
    SIM_RENEW,  /* the authority gives `node` a certificate that expires in `value` seconds, 0: never */
    SIM_LOWER, /* … one whose last round is the part `value` of the rounds it has trained, told to `other` */
    SIM_ROTATE,   /* the authority's key is replaced, told to `other`; `value` 1: by two keys, the second one,
                   which must lose, told to `node` */
    SIM_WITHDRAW, /* the authority withdraws the invitation, told to `other`; of those that it admitted
                     `nodes` stay */
    SIM_FLIP,     /* a bit of `node`'s weights is wrong */
    SIM_MOVE,     /* `node` has another address from now on */
    SIM_CLOCK,    /* the wall clock of `node` is `value` seconds off */
    SIM_EXPECT,   /* `node` must be what `is` says */
    SIM_FAULTS
};

enum sim_fork_kind {
    SIM_FORK_EQUAL,  /* equal sample counts, other bytes */
    SIM_FORK_ROUND,  /* equal bytes, another round number */
    SIM_FORK_UNEVEN, /* records of different sizes */
    SIM_FORK_DEEP,   /* from a record in the middle of its chain */
    SIM_FORK_ONCE,   /* one record on each side, then silence */
    SIM_FORK_TWICE,  /* three chains: a third of those who hear the first one hear one that left it in the
                        middle */
    SIM_FORK_KINDS
};

enum sim_hostile_kind {
    SIM_DRAG,   /* a record of one sample now and then, just often enough not to be quiet */
    SIM_JUMP,   /* one record of the run's last round */
    SIM_ACCUSE, /* wrong weights digests, and at once right ones */
    SIM_BURST,  /* hundreds of records at once, of ever later rounds */
    SIM_UNREAD, /* questions, as many as go out; it reads no answer */
    SIM_FALSE,  /* it says that it holds whatever anybody has, and more of their chains than there is */
    SIM_HOSTILE_KINDS
};

enum sim_state {
    SIM_IS_TRAINING, /* or waiting for a slower machine */
    SIM_IS_PAUSED,
    SIM_IS_ISOLATED,
    SIM_IS_RECONCILING,
    SIM_IS_HALTED,
    SIM_IS_DOWN,
    SIM_IS_CUT,   /* everybody holds fewer records of it than it signed, and no one more than others */
    SIM_IS_WHOLE, /* everybody holds all that it published */
    SIM_IS_OUT,   /* nobody lets it in */
    SIM_STATES
};

struct sim_entry {
    uint64_t at_ns, for_ns; /* from the beginning; for_ns 0: until the faults end */
    enum sim_fault fault;
    size_t node, other;
    double value;
    uint64_t nodes; /* bit i: nodes i, i + 64, … */
    enum sim_state is;
};

struct sim_plan {
    uint64_t seed;
    uint64_t peers;   /* at the start */
    uint64_t joiners; /* later */
    uint64_t signers; /* the first of them train, the others observe; 0: all train */
    uint64_t staleness, samples;
    uint64_t delay_ms;      /* a message takes at most */
    uint64_t round_ms, old; /* rounds take round_ms … 3 times that; `old`: percent of machines 8 times */
    uint64_t degree;        /* links of a machine in a relay overlay; 0: everybody with everybody */
    uint64_t relay;         /* records are published onwards */
    uint64_t silent;        /* nobody is told of broken links */
    uint64_t authority;     /* certificates are needed; else everybody belongs */
    uint64_t ed25519;       /* real signatures */
    uint64_t invited;       /* joiners have no certificates, but all of them one invitation's key … */
    uint64_t uses;          /* … for so many machines; 0: for as many as there are joiners */
    uint64_t invited_s;     /* … that expires so many seconds after the beginning; 0: never */
    uint64_t isolation;     /* rounds that an isolated machine goes on */
    uint64_t replicas;      /* weights are kept by every n-th node */
    uint64_t faults_s, healed_s; /* how long things go wrong; then nothing does and everybody must train */
    uint64_t calm_s;             /* how long the machines may then take to agree */
    struct sim_entry entries[SIM_ENTRIES_MAX];
    size_t count;
};

/* What a plan is before a line is read: valid, without faults. */
struct sim_plan sim_plan_default(void);
/* Everything from the seed. */
struct sim_plan sim_plan_draw(uint64_t seed, size_t peers);
/* Nodes in all: peers, joiners, and one for each copy of an identity, in the order of the entries. */
size_t sim_plan_nodes(const struct sim_plan *plan);
/* False when the table is full (nothing is added). */
bool sim_plan_add(struct sim_plan *plan, struct sim_entry entry);

/* Prints what is wrong, with file and line, to stderr and returns false. */
bool sim_plan_read(const char *path, struct sim_plan *ret_plan);
void sim_plan_write(const struct sim_plan *plan, FILE *file);

static inline bool sim_plan_in(uint64_t nodes, size_t node) {
    return (nodes >> (node % 64) & 1) != 0;
}
const char *sim_state_name(enum sim_state state);

#endif
