#include "host/target_board.h"

int target_open_board(struct molt_target *target, const char *folder, struct molt_message *message)
{
    (void)target;
    return molt_fail(message, MOLT_E_UNSUPPORTED, "sim:%s: this build has no simulated boards",
                     folder);
}

int target_close_board(struct molt_target *target, struct molt_message *message)
{
    (void)target;
    (void)message;
    return MOLT_OK;
}
