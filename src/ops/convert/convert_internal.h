/* The two directions of molt_convert. */
#ifndef MOLT_OPS_CONVERT_INTERNAL_H
#define MOLT_OPS_CONVERT_INTERNAL_H

#include <stddef.h>

#include "molt/ops/convert.h"
#include "molt/ops/info.h"

#define CONVERT_LIMIT (256u << 20)

/* *bytes is freed, and NULL, when they are not needed any more. */
int convert_to_uf2(struct molt_converted *converted, const struct molt_convert_request *request,
                   uint8_t **bytes, uint32_t n, struct molt_message *message);
/* The app, or all of the flash, of sim:FOLDER. */
int convert_board(struct molt_converted *converted, const struct molt_convert_request *request,
                  struct molt_message *message);
int convert_from_uf2(struct molt_converted *converted, const struct molt_convert_request *request,
                     const uint8_t *bytes, uint32_t n, struct molt_message *message);

/* The complaint about an image that does not boot, or a note in the plan with force. */
int convert_complain(struct molt_converted *converted, const struct molt_convert_request *request,
                     const struct molt_info_image *image, struct molt_message *message);

#endif
