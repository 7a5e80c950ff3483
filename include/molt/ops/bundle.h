/* Making a bundle from files, and looking into one. Nothing is printed here. */
#ifndef MOLT_OPS_BUNDLE_H
#define MOLT_OPS_BUNDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/espimage.h"
#include "molt/host/message.h"
#include "molt/pack/bundle.h"
#include "molt/progress.h"

#ifdef __cplusplus
extern "C" {
#endif

struct molt_bundle_request {
    const char *output;
    bool replace;            /* an output that is there already */
    const char *app;         /* app image, firmware file, flash dump; NULL = none */
    const char *app_version; /* stamped into the app's descriptor; NULL = as it is */
    const char *release;     /* folder; NULL = none */
    /* Paths of the release: a file that the application may change (or FOLDER/, whose files it may
     * change and add to), and what it left behind that is not carried over any more. */
    const char *const *keep, *const *drop;
    uint32_t keep_count, drop_count;
    bool compile;          /* .py files to bytecode, but main.py, connect.py and kept ones */
    const char *mpy_cross; /* the compiler; NULL = mpy-cross from PATH */
    const char *mpy_arch;  /* its -march, for native code; NULL = bytecode only */
    const char *firmware;  /* app image, firmware or dump that devices run: says which .mpy files
                              load there, when the bundle has no app; or NULL */
    const char *key;       /* private key file */
    uint32_t sequence;
    const char *board;
    const char *product; /* of the info text; NULL = "" */
    uint32_t slot_size;
    uint32_t min_bootloader;
    uint16_t mpy_abi;         /* 0 = as the text "MicroPython vX.Y.Z" in the app or firmware says */
    uint64_t issued, expires; /* seconds since 1970 UTC; 0 = not said */
    bool allow_downgrade;
    enum molt_pack_codec codec;
};

/* Where the app was found and what it says of itself. */
struct molt_bundle_app {
    uint32_t compiled; /* files compiled to .mpy */
    bool extracted;    /* taken out of a firmware file or flash dump: */
    char label[17];    /* of its partition there */
    uint32_t offset;   /* of that partition in flash */
    struct molt_image image;
};

enum molt_signature_state {
    MOLT_SIGNATURE_UNCHECKED = 0, /* no key was given */
    MOLT_SIGNATURE_RIGHT,
    MOLT_SIGNATURE_WRONG,
    MOLT_SIGNATURE_KEY_UNKNOWN /* signed by another key than the one given */
};

/* A bundle with what was found out about it. Freed by molt_bundle_report_free. */
struct molt_bundle_report {
    struct molt_bytes bytes;
    struct molt_bundle_view view; /* of bytes */
    struct molt_bundle_app app;   /* of molt_bundle_create only */
    enum molt_signature_state signature;
    uint8_t key_id[MOLT_KEY_ID_SIZE];
    bool has_key_id;
    struct molt_bytes content[MOLT_PAYLOAD_MAX]; /* decoded; empty when that failed: */
    int content_error[MOLT_PAYLOAD_MAX];
    struct molt_diag content_diag[MOLT_PAYLOAD_MAX];
};
void molt_bundle_report_free(struct molt_bundle_report *report);

/*
 * Reads the inputs, checks that the app is one (chip known, checksum and SHA-256 right), builds,
 * signs, and opens and decodes the result again before it is written. Every failure leaves the
 * output as it was.
 */
int molt_bundle_create(struct molt_bundle_report *report, const struct molt_bundle_request *request,
                       const struct molt_progress *progress, struct molt_message *message);

/*
 * Reads and checks a bundle. A broken head, envelope or manifest is an error; a wrong signature or
 * chunk is in the report. key: a public or private key file, or NULL.
 */
int molt_bundle_inspect(struct molt_bundle_report *report, const char *path, const char *key,
                        struct molt_message *message);

#ifdef __cplusplus
}
#endif
#endif
