/* The map of a target's flash as a picture: one SVG 1.1 file that reads on light and dark pages. */
#ifndef MOLT_CLI_SVG_H
#define MOLT_CLI_SVG_H

#include "molt/ops/info.h"

/* Written atomically; a file that is there is replaced. MOLT_E_UNSUPPORTED: a target without a
 * table that can be read; MOLT_E_NO_MEMORY; what writing says. */
int svg_write(const char *path, const struct molt_target *target, const struct molt_info *info,
              struct molt_message *message);

#endif
