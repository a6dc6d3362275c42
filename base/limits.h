/* limits - every bound of the project in one place. A limit that a user may meet is named in its error. */
#ifndef OB_BASE_LIMITS_H
#define OB_BASE_LIMITS_H

/* One run. */
#define OB_SAMPLES_PER_ROUND_MAX 4096  /* manifest's samples_per_round; a record's n */
#define OB_MACHINES_MAX          16384 /* manifest's max_machines; machines in one log */
#define OB_ROUNDS_MAX            (1u << 30)
#define OB_ISOLATION_ROUNDS_MAX  1000 /* rounds that may be trained without being acknowledged */
#define OB_EXPONENT_LIMIT        40   /* |exponent| of a record; the manifest narrows it */
#define OB_TENSORS_MAX           4096 /* tensors of one model */
#define OB_LAYERS_MAX            200  /* layers of one model */
#define OB_VIEWS_MAX             512  /* perturbed copies of a model that go through its layers together */
#define OB_RATES_MAX             4096 /* entries of the manifest's learning-rate table */
#define OB_ADAPTER_RANK_MAX      256  /* of an adapter */
#define OB_NAME_MAX              128  /* bytes of a tensor's or a machine's name, NUL included */

/* Messages. */
#define OB_MESSAGE_MAX 65536 /* bytes of any frame between peers */
/* Messages that wait in one connection (ZeroMQ's high-water marks). A member that sends as fast as it can
 * fills at most OB_RECEIVE_QUEUE_MAX x OB_MESSAGE_MAX = 8 MB of each connection; then TCP makes it wait. */
#define OB_SEND_QUEUE_MAX    4096 /* transport/outbox.h bounds their bytes */
#define OB_PUBLISH_QUEUE_MAX 1024 /* of one subscriber; what is published is in memory once for all */
#define OB_RECEIVE_QUEUE_MAX 128
#define OB_STATUS_MAX        (4u << 20) /* a status of some 3,000 machines */

/* Files. */
#define OB_MANIFEST_BYTES_MAX (4u << 20)
#define OB_CONFIG_BYTES_MAX   (1u << 20)
#define OB_JSON_BYTES_MAX     (64u << 20) /* config.json, tokenizer.json */
#define OB_JSON_DEPTH_MAX     1000        /* arrays and objects within one another */
#define OB_JSON_VALUES_MAX                                                                                   \
    (8u << 20) /* values of one JSON text; a vocabulary of 262,144 has some 3 million */
#define OB_CORPUS_BYTES_MAX       (1ull << 32)
#define OB_CORPUS_ROW_MAX         (1u << 20) /* bytes of one line */
#define OB_CORPUS_CHOICES_MAX     256        /* candidates of one row */
#define OB_BASIS_BYTES_MAX        (1ull << 32)
#define OB_SAFETENSORS_HEADER_MAX (100u << 20)

#endif
