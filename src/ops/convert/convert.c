#include "molt/ops/convert.h"

#include <stdlib.h>
#include <string.h>

#include "molt/host/file.h"
#include "molt/uf2.h"
#include "ops/convert/convert_internal.h"

int convert_complain(struct molt_converted *converted, const struct molt_convert_request *request,
                     const struct molt_info_image *image, struct molt_message *message)
{
    struct molt_message why = {0};
    struct molt_diag diag = image->diag;
    if (!image->error) {
        return MOLT_OK;
    }
    diag.error = image->error;
    molt_fail_diag(&why, "the app", &diag);
    if (request->force) {
        molt_plan_add(&converted->plan, MOLT_STEP_NOTE, 0, 0, "forced", "%.200s: it would not boot",
                      why.text);
        return MOLT_OK;
    }
    return molt_fail(message, image->error,
                     "%s: %.400s: it would not boot; --force converts it as it is", request->input,
                     why.text);
}

int molt_convert(struct molt_converted *converted, const struct molt_convert_request *request,
                 struct molt_message *message)
{
    uint8_t *bytes;
    size_t n;
    memset(converted, 0, sizeof *converted);
    if (strncmp(request->input, "sim:", 4) == 0) {
        int failed = convert_board(converted, request, message);
        if (failed) {
            molt_converted_free(converted);
        }
        return failed;
    }
    int error = molt_file_read(request->input, CONVERT_LIMIT, &bytes, &n, message);
    if (error) {
        return error;
    }
    if (n == 0) {
        error = molt_fail(message, MOLT_E_TRUNCATED,
                          "%s: is empty, expected an image or a UF2 file", request->input);
    } else if (molt_uf2_is(bytes, (uint32_t)n)) {
        error = convert_from_uf2(converted, request, bytes, (uint32_t)n, message);
    } else {
        error = convert_to_uf2(converted, request, &bytes, (uint32_t)n, message);
    }
    free(bytes);
    if (error) {
        molt_converted_free(converted);
    }
    return error;
}

void molt_converted_free(struct molt_converted *converted)
{
    free(converted->bytes);
    converted->bytes = NULL;
}
