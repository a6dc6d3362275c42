/* victim - a transport that is attacked: a thread of its own takes its events, unless it is held still, as a daemon is that
 * computes or writes to its disk.
 *
 * Owns:    the machine and the thread.
 * Threads: the test's; `hold` and `release` pair up. While it is held, its transport is the caller's. */
#ifndef OB_TESTS_HOSTILE_VICTIM_H
#define OB_TESTS_HOSTILE_VICTIM_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/hostile/zmtp_client.h"
#include "tests/unit/transport/fixture.h"

/* A sanitizer keeps what was freed, and its own notes: the figures say nothing then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_OURS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define MEMORY_IS_OURS 0
#endif
#endif
#ifndef MEMORY_IS_OURS
#define MEMORY_IS_OURS 1
#endif

struct victim {
    struct machine machine;
    pthread_t thread;
    pthread_mutex_t lock;
    atomic_bool stop, wanted;
    atomic_size_t frames, knocks, refusals;
};

void victim_start(struct victim *victim);
/* options: without key and address. */
void victim_start_with(struct victim *victim, const struct ob_transport_options *options);
void victim_stop(struct victim *victim);
void victim_hold(struct victim *victim);
void victim_release(struct victim *victim);
/* A client to its ROUTER (0), its publisher (1) or its door (2), with a stranger's keys. */
void victim_client(const struct victim *victim, unsigned port_offset, struct zmtp_client *ret_client);
/* The same with the keys of a member, that the victim admits. */
void victim_member(struct victim *victim, unsigned port_offset, struct ob_identity *ret_identity,
                   struct zmtp_client *ret_client);
void victim_must_serve(struct victim *victim); /* a friend gets its link */

/* Runs a scenario in a process of its own, because the fault is an abort; fails with its signal. */
void victim_scenario(void (*scenario)(void));
void victim_rest(long ms);

#endif
