/* Publishing a bundle in a tree that any HTTP server serves. */
#ifndef MOLT_OPS_PUBLISH_H
#define MOLT_OPS_PUBLISH_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/message.h"
#include "molt/manifest.h"
#include "molt/pack/publish.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_publish_request {
    const char *folder; /* of the tree; made when it is not there */
    const char *bundle;
    const char *channel;
    const char *key;  /* private key file that signs the channel */
    uint64_t now;     /* seconds since 1970 UTC: the time of issue */
    uint64_t expires; /* 0 = never */
    bool has_rollout;
    uint16_t permille;   /* 0..1000 */
    uint64_t not_before; /* 0 = at once; needs has_rollout */
};

struct molt_publish_report {
    struct molt_channel channel; /* as published */
    bool bundle_written;         /* false: it was there already */
    bool had_previous;
    struct molt_channel previous; /* what the channel said before */
    char bundle_path[MOLT_TREE_PATH_MAX], channel_path[MOLT_TREE_PATH_MAX]; /* in the tree */
};

/*
 * Checks the bundle whole, writes it under its digest unless it is there, then replaces the
 * channel's file. A rollout's salt is the beginning of the bundle's digest: raising the permille of
 * a bundle only adds devices, and another bundle begins with others. MOLT_E_EXISTS: other bytes are
 * there under that digest. MOLT_E_CHANNEL_OLD: the channel that is there is newer than now by more
 * than five minutes (less is taken as clocks that differ, and issued becomes one second later).
 */
int molt_publish(struct molt_publish_report *report, const struct molt_publish_request *request,
                 struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
