/* authority - the run's authority: its keys, what it has signed, and how that gets to the machines.
 *
 * A certificate is a file of its machine, handed to the machine's peer at each start; the others get it at
 * their doors: whoever is not let in somewhere knocks there once a second (ob_peer_check_certificate), and is told
 * there when it is out for good, and why (ob_peer_why_out).
 * Machines that are invited have no certificate until one is signed for them ("renew"): they show the invitation and
 * what its key signs, wherever a certificate would be shown (ob_peer_check_invited).
 * Revocations, rotations and withdrawals are handed to one node and spread by themselves; what was lost with that node is
 * told again once the faults are over, as an operator would. */
#ifndef OB_SIM_AUTHORITY_H
#define OB_SIM_AUTHORITY_H

#include "tests/sim/disk.h"
#include "tests/sim/machines.h"

#define SIM_AUTHORITY_KEYS 16

struct sim_cluster;

struct sim_authority {
    bool on;                                     /* else everybody belongs */
    struct sim_machine keys[SIM_AUTHORITY_KEYS]; /* the last one signs */
    size_t key_count;
    uint64_t sequence;
    const struct sim_control **certificates;            /* the newest of each machine; NULL: it is invited */
    struct sim_machine inviting;                        /* the invitation's key */
    const struct sim_control *invitation, **admissions; /* NULL: nobody is invited */
    bool withdrawn;
    uint64_t stay;                   /* then: the nodes that stay, as in an entry of the plan */
    bool *renewed;                   /* the newest is not the first, or expires */
    const struct sim_control **told; /* revocations and rotations, in the order in which they were signed */
    size_t told_count, told_capacity;
    bool unheard; /* when the cluster healed there was nobody to tell */
};

/* The name in the newest certificate of a machine; no two certificates have the same. */
const char *sim_authority_name(const struct sim_cluster *cluster, size_t machine, char ret_name[static 64]);

/* Certificates for all machines; the disks of the first peers hold all of theirs. */
void sim_authority_init(struct sim_cluster *cluster);
void sim_authority_done(struct sim_authority *authority);

/* Before the peer of a node starts: its certificate file. */
void sim_authority_show(struct sim_cluster *cluster, size_t node);
/* At all doors that do not let the node in. */
void sim_authority_knock(struct sim_cluster *cluster, size_t node);

/* From the part `part` (0 … 1) of what it has signed on; told to `told`, or to the next node that is up. */
void sim_authority_revoke(struct sim_cluster *cluster, size_t node, double part, size_t told);
/* A certificate that expires in so many seconds, 0: never. */
void sim_authority_renew(struct sim_cluster *cluster, size_t node, double expires_s);
/* A certificate that allows the part `part` of the rounds that it has trained, told to `told`. */
void sim_authority_lower(struct sim_cluster *cluster, size_t node, double part, size_t told);
/* contested: told to SIM_NOBODY: there is one rotation only. Else the same key is rotated once more, by a
 * mistake that everybody must ignore in the end; a certificate by that key is told with it. */
void sim_authority_rotate(struct sim_cluster *cluster, size_t told, size_t contested);
/* The invitation ends, but for `nodes`; told to `told`. */
void sim_authority_withdraw(struct sim_cluster *cluster, uint64_t nodes, size_t told);
/* Is the machine a member by the invitation alone? */
bool sim_authority_invites(const struct sim_cluster *cluster, size_t machine);

/* Everything once more; certificates that were replaced are renewed, without a limit. */
void sim_authority_settle(struct sim_cluster *cluster);

#endif
