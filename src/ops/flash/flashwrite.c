#include "ops/flash/flashwrite.h"

#include <string.h>

int flashwrite_fail(const struct molt_target *target, int error, const char *doing, uint32_t offset,
                    struct molt_message *message)
{
    return molt_fail(message, error, "%s: %s at 0x%x: %s; run the same command again to go on",
                     target->name, doing, offset, molt_strerror(error));
}

int flashwrite_sector(struct molt_target *target, uint32_t offset, const uint8_t *want,
                      struct molt_message *message)
{
    uint8_t back[FLASHWRITE_SECTOR];
    int error = molt_flash_erase(&target->flash, offset, sizeof back);
    if (error) {
        return flashwrite_fail(target, error, "erasing", offset, message);
    }
    if (!molt_blank(want, sizeof back)) {
        error = molt_flash_program(&target->flash, offset, want, sizeof back);
        if (error) {
            return flashwrite_fail(target, error, "writing", offset, message);
        }
    }
    error = molt_flash_read(&target->flash, offset, back, sizeof back);
    if (!error && memcmp(back, want, sizeof back) != 0) {
        error = MOLT_E_VERIFY;
    }
    return error ? flashwrite_fail(target, error, "verifying", offset, message) : MOLT_OK;
}
