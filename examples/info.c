/*
 * What is on a firmware file, a flash dump or a simulated board, with libmolt:
 *
 *     cc info.c $(pkg-config --cflags --libs molt) -o info
 *     ./info ESP32_GENERIC.bin
 */
#include <stdio.h>

#include "molt/host/target.h"
#include "molt/ops/info.h"

static void print_apps(const struct molt_info *info)
{
    for (uint32_t i = 0; i < info->app_count; i++) {
        const struct molt_info_image *app = &info->app[i];
        if (app->empty || app->outside) {
            printf("app %s: empty\n", app->label);
        } else if (app->error != MOLT_OK) {
            printf("app %s: %s\n", app->label, molt_strerror(app->error));
        } else {
            printf("app %s: %u bytes, MicroPython %s\n", app->label, (unsigned)app->image.length,
                   app->micropython[0] ? app->micropython : "not found");
        }
    }
}

int main(int argc, char **argv)
{
    /* Both are too large for a small stack, so static; a program with threads allocates them. */
    static struct molt_target target;
    static struct molt_info info;
    struct molt_message message = {0};
    if (argc != 2) {
        fprintf(stderr, "usage: info FIRMWARE|DUMP|APP|sim:FOLDER\n");
        return 2;
    }
    if (molt_target_open(&target, argv[1], &message) < 0) {
        fprintf(stderr, "info: %s\n", message.text);
        return 1;
    }
    int error = molt_info_gather(&info, &target, &message);
    if (error == MOLT_OK) {
        printf("%s: %s for %s\n", target.name, molt_target_kind_name(target.kind),
               target.chip ? target.chip->name : "an unknown chip");
        for (uint32_t i = 0; target.table_error == MOLT_OK && i < target.table.count; i++) {
            const struct molt_partition *row = &target.table.row[i];
            printf("%-16s 0x%06x %8u bytes\n", row->label, (unsigned)row->offset,
                   (unsigned)row->size);
        }
        print_apps(&info);
        for (uint32_t i = 0; i < info.finding_count; i++) {
            printf("%s: %s\n", info.finding[i].severity == MOLT_WRONG ? "wrong" : "odd",
                   info.finding[i].text);
        }
    } else {
        fprintf(stderr, "info: %s\n", message.text);
    }
    molt_target_close(&target, &message);
    return error == MOLT_OK && !info.wrong ? 0 : 1;
}
