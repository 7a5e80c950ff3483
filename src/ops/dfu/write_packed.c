/*
 * mboot with packing (MicroPython, ports/stm32/mboot/pack.c): each element is a signed and
 * encrypted chunk. The device erases by itself, wants them in the file's order, writes the start
 * of the firmware when the signature behind the last one is right, and lets nobody read.
 */
#include <stdio.h>

#include "ops/dfu/write.h"

int dfu_write_packed_plan(struct molt_dfu_write *job, struct molt_message *message)
{
    const struct molt_dfu_image *image = job->image;
    if (job->request.mass_erase) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s: a file for mboot with packing erases what it has to by itself: "
                         "without --mass-erase. Nothing was changed",
                         job->session->name);
    }
    for (uint32_t i = 0; i < image->count; i++) {
        job->to_write += image->element[i].size;
    }
    job->result.bytes_given = job->to_write;
    molt_plan_add(&job->steps, MOLT_STEP_NOTE, 0, 0, "packed",
                  "%u bytes in %u signed and encrypted parts from 0x%08x on, in the file's order; "
                  "the boot loader decrypts, erases and checks by itself",
                  job->to_write, image->count, image->element[0].address);
    if (!job->request.stay) {
        molt_plan_add(&job->steps, MOLT_STEP_NOTE, 0, 0, "leave", "DFU mode");
    }
    return MOLT_OK;
}

int dfu_write_packed_run(struct molt_dfu_write *job, const struct molt_progress *progress,
                         struct molt_message *message)
{
    const struct molt_dfu_image *image = job->image;
    struct molt_dfu *dfu = &job->session->dfu;
    dfu_progress(job, progress, "write", 0, job->to_write);
    for (uint32_t i = 0; i < image->count; i++) {
        const struct molt_dfu_element *element = &image->element[i];
        struct molt_diag diag = {0};
        char doing[64];
        job->started = true;
        int error = molt_dfuse_write(dfu, element->address, element->bytes, element->size, &diag);
        if (error) {
            snprintf(doing, sizeof doing, "writing part %u of %u (0x%08x)", i + 1, image->count,
                     element->address);
            return molt_dfu_fail(message, job->session, error, &diag, doing);
        }
        dfu->done += element->size;
        job->result.bytes_written += element->size;
    }
    job->whole = true;
    return MOLT_OK;
}
