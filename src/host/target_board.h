/* A target that is a simulated board. */
#ifndef MOLT_HOST_TARGET_BOARD_H
#define MOLT_HOST_TARGET_BOARD_H

#include "molt/host/target.h"

int target_open_board(struct molt_target *target, const char *folder, struct molt_message *message);
int target_close_board(struct molt_target *target, struct molt_message *message);

#endif
