/* sdkconfig fragments, merged one after the other as ESP-IDF's kconfig reads them: of two settings
 * of a key the later one counts; of a choice, the member that was set to y last, also when it was
 * set to n after that. */
#ifndef OPS_SDKCONFIG_H
#define OPS_SDKCONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "molt/host/message.h"

struct sdkconfig_setting {
    char *key;           /* "CONFIG_PARTITION_TABLE_CUSTOM" */
    char *value;         /* as written, without quotes; "n" of "# ... is not set" */
    uint32_t file, line; /* file: number of the fragment */
};

struct sdkconfig {
    struct sdkconfig_setting *setting; /* in the order read */
    uint32_t count;
    bool glued; /* the last file read ended without a newline: what comes next is joined to its last
                   line, and its own first line is no setting */
};

/* Adds a fragment. MOLT_E_NOT_FOUND, MOLT_E_RANGE, MOLT_E_NO_MEMORY, MOLT_E_IO. */
int sdkconfig_read(struct sdkconfig *config, const char *path, uint32_t file,
                   struct molt_message *message);

/* The setting that counts; NULL when there is none. */
const struct sdkconfig_setting *sdkconfig_get(const struct sdkconfig *config, const char *key);

/* Of the members of a choice (all keys that begin so, and the ends named) the one that counts. */
const struct sdkconfig_setting *sdkconfig_choice(const struct sdkconfig *config, const char *prefix,
                                                 const char *const ends[]);

void sdkconfig_free(struct sdkconfig *config);

#endif
