/*
 * A firmware file with room for updates and with an application in it, with libmolt: what
 * 'molt edit FIRMWARE --flash-size 8M --layout ota --put FOLDER -o OUT' does, for other programs.
 *
 *     cc make_image.c $(pkg-config --cflags --libs molt) -o make_image
 *     ./make_image ESP32_GENERIC.bin app/ out.bin
 */
#include <stdio.h>

#include "molt/ops/edit.h"
#include "molt/ops/plan.h"

static void print_plan(const struct molt_plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct molt_step *step = &plan->step[i];
        printf("%-5s  %-16s 0x%06x  %8u  %s\n", molt_step_kind_name(step->kind), step->what,
               (unsigned)step->offset, (unsigned)step->size, step->why);
    }
}

int main(int argc, char **argv)
{
    /* Too large for a small stack, so static; a program with threads allocates them. */
    static struct molt_target source;
    static struct molt_edit edit;
    struct molt_message message = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: make_image FIRMWARE FOLDER OUT\n");
        return 2;
    }
    /* Steps happen in their order; the flash size comes before them. */
    const struct molt_edit_step steps[] = {
        {.kind = MOLT_EDIT_LAYOUT, .layout = {.name = "ota"}},
        {.kind = MOLT_EDIT_PUT, .name = argv[2], .to = "/"},
    };
    const struct molt_edit_request request = {
        .flash_size = 8u << 20, .step = steps, .step_count = sizeof steps / sizeof steps[0]};

    int error = molt_target_open(&source, argv[1], &message);
    if (error == MOLT_OK) {
        /* Plans, checks and makes all of it in memory. Nothing is written before molt_edit_write.
         */
        error = molt_edit_prepare(&edit, &source, &request, &message);
        if (error == MOLT_OK) {
            print_plan(&edit.plan);
            error = molt_edit_write(&edit, &source, argv[3], &message);
        }
        molt_edit_free(&edit);
        molt_target_close(&source, NULL);
    }
    if (error != MOLT_OK) {
        fprintf(stderr, "make_image: %s\n", message.text);
        return 1;
    }
    return 0;
}
