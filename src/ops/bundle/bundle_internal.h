/* Inputs of a bundle: the app out of whatever file holds it, the files of a release. */
#ifndef MOLT_OPS_BUNDLE_INTERNAL_H
#define MOLT_OPS_BUNDLE_INTERNAL_H

#include "molt/ops/bundle.h"

/* Reads the app, extracts it when needed, checks it, stamps version when it is not NULL. bytes is
 * the caller's to free. */
int bundle_read_app(struct molt_bytes *bytes, struct molt_bundle_app *app, const char *name,
                    const char *version, struct molt_message *message);

/* The slot that a board runs, as far as it is programmed or not. bytes is the caller's to free. */
int bundle_read_running(struct molt_bytes *bytes, const char *name, struct molt_message *message);

/* Files of a folder, sorted by path; freed by bundle_free_files. */
struct bundle_files {
    struct molt_pack_file *file; /* path and bytes are ours */
    uint32_t count, capacity;
};
int bundle_read_release(struct bundle_files *files, const char *folder,
                        struct molt_message *message);
/* One more; path and bytes are ours from now on, also after a failure. */
int bundle_add_file(struct bundle_files *files, char *path, uint8_t *bytes, uint32_t size,
                    uint8_t policy, struct molt_message *message);
/* The request's keep and drop. */
int bundle_apply_policies(struct bundle_files *files, const struct molt_bundle_request *request,
                          struct molt_message *message);
void bundle_free_files(struct bundle_files *files);

/* Compiles the .py files that may be; abi is the firmware's, 0 = unknown. The number of them. */
int bundle_compile(struct bundle_files *files, const struct molt_bundle_request *request,
                   uint16_t abi, struct molt_message *message);

#endif
