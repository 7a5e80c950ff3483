/*
 * Firmware to a board in DFU mode, with libmolt: what a graphical program does.
 *     cc dfu.c $(pkg-config --cflags --libs molt) -o dfu
 *     ./dfu                           lists the devices
 *     ./dfu firmware.dfu [TARGET]     writes; Ctrl-C cancels at the next safe point
 */
#include <signal.h>
#include <stdio.h>

#include "molt/ops/dfu_image.h"
#include "molt/ops/dfu_session.h"
#include "molt/ops/dfu_write.h"

static volatile sig_atomic_t cancelled; /* in a GUI: set by the button */

static void on_signal(int signal)
{
    (void)signal;
    cancelled = 1;
}

static int on_progress(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)context;
    fprintf(stderr, "\r%-8s %3u%%", what, total ? (unsigned)(done * 100 / total) : 0);
    return cancelled;
}

static int list(struct molt_message *message)
{
    struct molt_dfu_device *devices;
    uint32_t count;
    int error = molt_dfu_list(&devices, &count, message);
    for (uint32_t i = 0; error == MOLT_OK && i < count; i++) {
        printf("%s  %s\n", devices[i].target, devices[i].known ? devices[i].known : "unknown");
    }
    if (error == MOLT_OK) {
        molt_dfu_list_free(devices, count);
    }
    return error;
}

static int flash(const char *file, const char *target, struct molt_message *message)
{
    struct molt_progress progress = {on_progress, NULL};
    struct molt_dfu_image_request from = {.path = file};
    struct molt_dfu_image image = {0};
    struct molt_dfu_choice choice;
    struct molt_dfu_session *session = NULL;
    struct molt_dfu_write *job = NULL;
    struct molt_dfu_write_request request = {.image = &image}; /* verifies, and leaves at the end */
    int error = molt_dfu_image_load(&image, &from, message);
    error = error ? error : molt_dfu_choice_parse(&choice, target, message);
    error = error ? error : molt_dfu_session_open(&session, &choice, 0, &progress, message);
    error = error ? error : molt_dfu_write_plan(&job, session, &request, &progress, message);
    if (error == MOLT_OK) { /* nothing is changed yet: here a program asks */
        const struct molt_plan *plan = molt_dfu_write_steps(job);
        for (uint32_t i = 0; i < plan->count; i++) {
            printf("\n%-8s %s", plan->step[i].what, plan->step[i].why);
        }
        error = molt_dfu_write_run(job, &progress, message);
        printf("\n%s\n", error ? "" : "written, verified; the firmware starts");
        molt_dfu_write_free(job);
    }
    int closed = molt_dfu_session_close(session, error ? NULL : message); /* the first counts */
    molt_dfu_image_free(&image);
    return error ? error : closed;
}

int main(int argc, char **argv)
{
    struct molt_message message = {0};
    signal(SIGINT, on_signal);
    int error = argc < 2 ? list(&message) : flash(argv[1], argc > 2 ? argv[2] : "usb:", &message);
    if (error < 0) {
        fprintf(stderr, "\ndfu: %s\n", message.text);
    }
    return error < 0;
}
