/*
 * dfu_device DEVICE... [--timing real|none] [--trace FILE] [--report FILE] -- COMMAND...
 * Runs COMMAND with a mocked USB bus on which simulated DFU devices are plugged in; dfu_usbip, the
 * same over tests/usbip/vhci.c, with the bus of the kernel that it runs on.
 *
 * DEVICE is --profile NAME or --folder FOLDER, and behind it what holds for this device:
 *   --flash FILE       its flash: read before (missing = erased), written behind the command
 *   --serial TEXT      --port N  (default 1, 2, ...)
 *   --read-protected   --write-protected ADDRESS (of any sector; again for more)
 *   --no-boot0         a reset or an unprotect does not lead back into the loader
 *   --fault KIND@N[+COUNT][!]  stall, timeout, gone, io, short at control transfer N (from 1);
 *                      ! = the device acts, its answer is lost
 * Exit code: the command's; 126 when this program fails itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bus.h"
#include "molt/host/simdfu.h"

#define FAILED 126

struct device {
    struct molt_sim_dfu *sim;
    struct molt_simdfu *board; /* of a folder; then flash and file are not used */
    uint8_t *flash;
    const char *file;
    unsigned port;
};

struct setup {
    struct device device[BUS_DEVICES];
    unsigned count;
    bool real;
    const char *trace, *report;
};

static int fail(const char *what, const char *name)
{
    fprintf(stderr, "dfu_device: %s: %s\n", name, what);
    return FAILED;
}

static int add_profile(struct setup *setup, const char *name)
{
    const struct molt_sim_dfu_profile *profile = molt_sim_dfu_profile_named(name);
    if (!profile || setup->count == BUS_DEVICES) {
        return fail(profile ? "too many devices" : "no such profile", name);
    }
    uint32_t size = molt_sim_dfu_flash_size(profile);
    struct device *device = &setup->device[setup->count++];
    device->sim = calloc(1, sizeof *device->sim);
    device->flash = malloc(size);
    device->port = setup->count;
    if (!device->sim || !device->flash) {
        return fail("no memory", name);
    }
    memset(device->flash, 0xFF, size);
    molt_sim_dfu_init(device->sim, profile, device->flash);
    return 0;
}

static int add_folder(struct setup *setup, const char *folder)
{
    struct molt_message message;
    struct device *device = &setup->device[setup->count];
    if (setup->count == BUS_DEVICES) {
        return fail("too many devices", folder);
    }
    if (molt_simdfu_open(&device->board, folder, &message) < 0) {
        return fail(message.text, folder);
    }
    device->sim = molt_simdfu_model(device->board);
    device->port = ++setup->count;
    return 0;
}

static int load_flash(struct device *device, const char *name)
{
    device->file = name;
    FILE *file = fopen(name, "rb");
    if (!file) {
        return errno == ENOENT ? 0 : fail(strerror(errno), name);
    }
    size_t size = molt_sim_dfu_flash_size(device->sim->profile);
    size_t n = fread(device->flash, 1, size, file);
    bool longer = n == size && fgetc(file) != EOF;
    fclose(file);
    return longer ? fail("longer than the flash", name) : 0;
}

static int save_flash(const struct device *device)
{
    if (!device->file) {
        return 0;
    }
    size_t size = molt_sim_dfu_flash_size(device->sim->profile);
    FILE *file = fopen(device->file, "wb");
    if (!file || fwrite(device->flash, 1, size, file) != size || fclose(file) != 0) {
        return fail(strerror(errno), device->file);
    }
    return 0;
}

static int set_fault(struct molt_sim_dfu *sim, const char *text)
{
    static const char *const kinds[] = {"none", "stall", "timeout", "gone", "io", "short"};
    char kind[16] = "", mark = 0;
    unsigned at = 0, count = 1;
    int n = sscanf(text, "%15[a-z]@%u+%u%c", kind, &at, &count, &mark);
    if (n == 2) {
        count = 1;
        mark = text[strlen(text) - 1];
    }
    for (unsigned i = 1; n >= 2 && i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kind, kinds[i]) == 0) {
            sim->fault.kind = (enum molt_sim_fault)i;
            sim->fault.at_transfer = at;
            sim->fault.count = count;
            sim->fault.executed = mark == '!';
            return 0;
        }
    }
    return fail("expected KIND@N[+COUNT][!]", text);
}

static int protect(struct molt_sim_dfu *sim, const char *text)
{
    int sector = molt_sim_dfu_sector(sim, (uint32_t)strtoul(text, NULL, 0));
    if (sector < 0) {
        return fail("no sector there", text);
    }
    sim->write_protected[sector] = true;
    return 0;
}

static int set(struct device *device, int option, const char *value)
{
    struct molt_sim_dfu *sim = device->sim;
    switch (option) {
    case 'f':
        return device->board ? fail("a folder has its own flash", value)
                             : load_flash(device, value);
    case 's': snprintf(sim->serial, sizeof sim->serial, "%s", value); return 0;
    case 'n': device->port = (unsigned)strtoul(value, NULL, 10); return 0;
    case 'r': sim->read_protected = true; return 0;
    case 'w': return protect(sim, value);
    case 'b': sim->boot0 = false; return 0;
    default: return set_fault(sim, value);
    }
}

static int parse(struct setup *setup, int argc, char **argv)
{
    static const struct option options[] = {{"profile", 1, NULL, 'p'},
                                            {"folder", 1, NULL, 'd'},
                                            {"flash", 1, NULL, 'f'},
                                            {"serial", 1, NULL, 's'},
                                            {"port", 1, NULL, 'n'},
                                            {"read-protected", 0, NULL, 'r'},
                                            {"write-protected", 1, NULL, 'w'},
                                            {"no-boot0", 0, NULL, 'b'},
                                            {"fault", 1, NULL, 'x'},
                                            {"timing", 1, NULL, 't'},
                                            {"trace", 1, NULL, 'l'},
                                            {"report", 1, NULL, 'o'},
                                            {NULL, 0, NULL, 0}};
    int option, error = 0;
    while (!error && (option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (option == '?') {
            error = FAILED;
        } else if (option == 'p') {
            error = add_profile(setup, optarg);
        } else if (option == 'd') {
            error = add_folder(setup, optarg);
        } else if (option == 't') {
            setup->real = strcmp(optarg, "real") == 0;
        } else if (option == 'l') {
            setup->trace = optarg;
        } else if (option == 'o') {
            setup->report = optarg;
        } else if (setup->count == 0) {
            error = fail("behind a device only", argv[optind - 1]);
        } else {
            error = set(&setup->device[setup->count - 1], option, optarg);
        }
    }
    return error;
}

static void report_device(FILE *out, const struct device *device)
{
    const struct molt_sim_dfu *sim = device->sim;
    fprintf(out,
            "  {\"profile\": \"%s\", \"state\": %u, \"status\": %u, \"gone\": %s, \"jumped\": %s, "
            "\"jumped_to\": %u, \"transfers\": %u, \"time_us\": %llu, \"mass_erases\": %u, "
            "\"bytes_programmed\": %llu, \"bytes_uploaded\": %llu, \"over_programmed\": %llu, "
            "\"read_protected\": %s, \"erases\": [",
            sim->profile->name, sim->state, sim->status, sim->gone ? "true" : "false",
            sim->jumped ? "true" : "false", sim->jumped_to, sim->transfers,
            (unsigned long long)sim->time_us, sim->mass_erases,
            (unsigned long long)sim->bytes_programmed, (unsigned long long)sim->bytes_uploaded,
            (unsigned long long)sim->over_programmed, sim->read_protected ? "true" : "false");
    const char *comma = "";
    uint32_t sectors = 0;
    for (uint32_t i = 0; i < sim->profile->region_count; i++) {
        sectors += sim->profile->regions[i].count;
    }
    for (uint32_t i = 0; i < sectors; i++, comma = ", ") {
        fprintf(out, "%s%u", comma, sim->erases[i]);
    }
    fprintf(out, "]}");
}

static int report(const struct setup *setup)
{
    FILE *out = setup->report ? fopen(setup->report, "w") : NULL;
    if (!setup->report) {
        return 0;
    }
    if (!out) {
        return fail(strerror(errno), setup->report);
    }
    fprintf(out, "[\n");
    for (unsigned i = 0; i < setup->count; i++) {
        fprintf(out, "%s", i ? ",\n" : "");
        report_device(out, &setup->device[i]);
    }
    fprintf(out, "\n]\n");
    return fclose(out) == 0 ? 0 : fail(strerror(errno), setup->report);
}

static void become(char **command)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(command[0], command);
    fprintf(stderr, "dfu_device: %s: %s\n", command[0], strerror(errno));
    _exit(127);
}

static int run(struct bus *bus, char **command)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        become(command);
    }
    while (waitpid(child, &status, WNOHANG) == 0) {
        bus_turn(bus);
        usleep(2000);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int serve(struct setup *setup, char **command)
{
    struct bus *bus = bus_new(setup->real);
    FILE *trace = setup->trace ? fopen(setup->trace, "w") : NULL;
    int result = bus && (!setup->trace || trace) ? 0 : FAILED;
    for (unsigned i = 0; result == 0 && i < setup->count; i++) {
        result = bus_add(bus, setup->device[i].sim, setup->device[i].port) ? 0 : FAILED;
    }
    if (result == 0) {
        bus_trace(bus, trace);
        result = run(bus, command);
    }
    if (bus) {
        bus_end(bus);
    }
    if (trace) {
        fclose(trace);
    }
    return result;
}

int main(int argc, char **argv)
{
    struct setup setup = {.count = 0};
    bus_prepare(argv);
    int result = parse(&setup, argc, argv);
    if (result == 0 && optind >= argc) {
        result = fail("no command", "--");
    }
    if (result == 0) {
        result = serve(&setup, argv + optind);
        int failed = report(&setup);
        for (unsigned i = 0; i < setup.count && !failed; i++) {
            failed = save_flash(&setup.device[i]);
        }
        result = failed ? failed : result;
    }
    for (unsigned i = 0; i < setup.count; i++) {
        struct device *device = &setup.device[i];
        struct molt_message message;
        if (device->board && molt_simdfu_close(device->board, &message) < 0) {
            result = fail(message.text, "folder");
        }
        if (!device->board) {
            free(device->sim);
            free(device->flash);
        }
    }
    return result;
}
