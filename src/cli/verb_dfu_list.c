#include <stdlib.h>

#include "cli/dfu_common.h"
#include "cli/json.h"
#include "molt/ops/dfu_board.h"

static const struct cli_option options[] = {
    DFU_ROW_WAIT, {"json", 'j', NULL, "print one JSON object"}, {0}};

static const char details[] =
    "Shows every device that has a DFU interface: what to type to choose it, what it is, where it\n"
    "is plugged in, its alternate settings with their memory, what it can do. Changes nothing on\n"
    "any of them. Devices that Molt does not know are shown as well, but are used by no verb\n"
    "unless they are named by id, serial number, path or device number.\n"
    "With a TARGET only what fits it, and exit code 1 when nothing does.\n"
    "  molt dfu list\n"
    "  molt dfu list usb:0483:df11,path=1-2.3 --json\n"
    "  molt dfu list --wait 30\n"
    "\n"
    "TARGET is sim:FOLDER, or usb: and what to choose by: VID:PID (hexadecimal, * is any), behind\n"
    "it ,serial=S ,path=1-2.3 ,interface=N ,config=N ,devnum=N in any order.\n"
    "\n"
    "Keys of --json (null = not known):\n"
    "  devices: [{target, known, fits, vendor_id, product_id, release, bus, address, path, "
    "serial,\n"
    "    manufacturer, product, error, alternates: [{configuration, interface, alternate, name,\n"
    "    mode (\"dfu\" or \"run-time\"), dfuse, version, transfer_size, detach_timeout_ms,\n"
    "    download, upload, manifestation_tolerant, will_detach, quirks: [name], map: null or\n"
    "    {name, bytes, truncated, segments: [{start, end, sector_size, count, readable, erasable,\n"
    "    writable}]}}]}]";

/* bcdDFUVersion: "1.0", "1.1", "1.1a". */
static const char *version_of(const struct molt_dfu_interface *facts, char text[8])
{
    unsigned minor = facts->version & 0xFF;
    snprintf(text, 8, "%x.%x", facts->version >> 8, minor & 0xF ? minor : minor >> 4);
    return text;
}

/* The boards whose flash looks so; false: none that is known. */
static bool boards_of(const struct molt_dfu_device *device, struct molt_dfu_files *files)
{
    for (uint32_t i = 0; i < device->alternate_count; i++) {
        const struct molt_dfu_alternate *alternate = &device->alternate[i];
        if (device->known && alternate->has_map &&
            molt_dfu_board_files(files, NULL, &alternate->map, 0, NULL) == MOLT_OK &&
            files->count > 0) {
            return true;
        }
    }
    return false;
}

static void json_hex4(struct json_out *json, const char *key, uint16_t value)
{
    char text[8];
    snprintf(text, sizeof text, "%04x", value);
    json_text(json, key, text);
}

static void json_name(struct json_out *json, const char *key, const char *text)
{
    json_text(json, key, text && text[0] ? text : NULL);
}

static void json_map(struct json_out *json, const struct molt_dfu_map *map)
{
    json_open(json, "map", '{');
    json_text(json, "name", map->name);
    json_number(json, "bytes", (int64_t)molt_dfu_map_bytes(map));
    json_bool(json, "truncated", map->truncated);
    json_open(json, "segments", '[');
    for (uint32_t i = 0; i < map->count; i++) {
        const struct molt_dfu_segment *segment = &map->segment[i];
        json_open(json, NULL, '{');
        json_number(json, "start", segment->start);
        json_number(json, "end",
                    (int64_t)segment->start + (int64_t)segment->sector_size * segment->count);
        json_number(json, "sector_size", segment->sector_size);
        json_number(json, "count", segment->count);
        json_bool(json, "readable", segment->access & MOLT_DFU_READABLE);
        json_bool(json, "erasable", segment->access & MOLT_DFU_ERASABLE);
        json_bool(json, "writable", segment->access & MOLT_DFU_WRITABLE);
        json_close(json, '}');
    }
    json_close(json, ']');
    json_close(json, '}');
}

static void json_alternate(struct json_out *json, const struct molt_dfu_device *device,
                           const struct molt_dfu_alternate *alternate)
{
    const struct molt_dfu_interface *facts = &alternate->facts;
    char text[8];
    json_open(json, NULL, '{');
    json_number(json, "configuration", facts->configuration);
    json_number(json, "interface", facts->interface_number);
    json_number(json, "alternate", facts->alternate);
    json_name(json, "name", alternate->name);
    json_text(json, "mode", facts->run_time ? "run-time" : "dfu");
    json_bool(json, "dfuse", alternate->dfuse);
    json_text(json, "version", facts->version ? version_of(facts, text) : NULL);
    json_number(json, "transfer_size", facts->transfer_size);
    json_number(json, "detach_timeout_ms", facts->detach_timeout_ms);
    json_bool(json, "download", facts->attributes & MOLT_DFU_CAN_DOWNLOAD);
    json_bool(json, "upload", facts->attributes & MOLT_DFU_CAN_UPLOAD);
    json_bool(json, "manifestation_tolerant", facts->attributes & MOLT_DFU_TOLERANT);
    json_bool(json, "will_detach", facts->attributes & MOLT_DFU_WILL_DETACH);
    json_open(json, "quirks", '[');
    for (uint32_t bit = 0, quirks = molt_dfu_device_quirks(device, alternate); bit < 32; bit++) {
        if (quirks >> bit & 1) {
            json_text(json, NULL, molt_dfu_quirk_name((uint32_t)1 << bit));
        }
    }
    json_close(json, ']');
    if (alternate->has_map) {
        json_map(json, &alternate->map);
    } else {
        json_nothing(json, "map");
    }
    json_close(json, '}');
}

static void json_device(struct json_out *json, const struct molt_dfu_device *device)
{
    struct molt_dfu_files files;
    json_open(json, NULL, '{');
    json_text(json, "target", device->target);
    json_text(json, "known", device->known);
    json_text(json, "fits", boards_of(device, &files) ? files.words : NULL);
    json_hex4(json, "vendor_id", device->vendor);
    json_hex4(json, "product_id", device->product);
    json_hex4(json, "release", device->device);
    json_number(json, "bus", device->bus);
    json_number(json, "address", device->address);
    json_name(json, "path", device->path);
    json_name(json, "serial", device->serial);
    json_name(json, "manufacturer", device->manufacturer);
    json_name(json, "product", device->product_name);
    json_text(json, "error", device->error ? molt_strerror(device->error) : NULL);
    json_open(json, "alternates", '[');
    for (uint32_t i = 0; i < device->alternate_count; i++) {
        json_alternate(json, device, &device->alternate[i]);
    }
    json_close(json, ']');
    json_close(json, '}');
}

static void print_segment(const struct molt_dfu_segment *segment)
{
    char whole[16], size[16], sectors[32];
    uint64_t bytes = (uint64_t)segment->sector_size * segment->count;
    snprintf(sectors, sizeof sectors, "%u x %s", segment->count,
             cli_size(segment->sector_size, size));
    printf("      0x%08x  %9s  %12s  %s%s%s\n", segment->start, cli_size(bytes, whole), sectors,
           segment->access & MOLT_DFU_READABLE ? "read " : "",
           segment->access & MOLT_DFU_ERASABLE ? "erase " : "",
           segment->access & MOLT_DFU_WRITABLE ? "write" : "");
}

static bool same_facts(const struct molt_dfu_alternate *a, const struct molt_dfu_alternate *b)
{
    return a->facts.configuration == b->facts.configuration &&
           a->facts.interface_number == b->facts.interface_number &&
           a->facts.run_time == b->facts.run_time && a->facts.version == b->facts.version &&
           a->facts.attributes == b->facts.attributes &&
           a->facts.transfer_size == b->facts.transfer_size;
}

static void print_interface(const struct molt_dfu_alternate *alternate)
{
    const struct molt_dfu_interface *facts = &alternate->facts;
    char text[8];
    printf("  interface %u", facts->interface_number);
    if (facts->configuration != 1) {
        printf(" of configuration %u", facts->configuration);
    }
    printf(": %s %s, %u bytes a transfer%s%s%s\n", alternate->dfuse ? "DfuSe" : "DFU",
           facts->version ? version_of(facts, text) : "1.0", facts->transfer_size,
           facts->attributes & MOLT_DFU_CAN_DOWNLOAD ? ", writes" : "",
           facts->attributes & MOLT_DFU_CAN_UPLOAD ? ", reads" : "",
           facts->attributes & MOLT_DFU_TOLERANT ? ", stays after writing" : "");
    if (facts->run_time) {
        printf("    its application runs: 'molt dfu detach' brings it into DFU mode\n");
    }
}

static void print_alternate(const struct molt_dfu_device *device,
                            const struct molt_dfu_alternate *alternate)
{
    printf("    alt %u  %s\n", alternate->facts.alternate,
           alternate->has_map   ? alternate->map.name
           : alternate->name[0] ? alternate->name
           : device->error      ? "(name not known)"
                                : "(no name)");
    for (uint32_t i = 0; alternate->has_map && i < alternate->map.count; i++) {
        print_segment(&alternate->map.segment[i]);
    }
    if (alternate->has_map && alternate->map.truncated) {
        printf("      (its memory map ends too early: there may be more)\n");
    }
}

static void print_head(const struct molt_dfu_device *device)
{
    struct molt_dfu_files files;
    const char *product = device->product_name, *maker = device->manufacturer;
    printf("%s\n  %s%s%s%s%s\n", device->target,
           device->known ? device->known : "not known to Molt, used only when it is named so",
           product[0] || maker[0] ? ": " : "", product, product[0] && maker[0] ? ", by " : "",
           maker);
    if (boards_of(device, &files)) {
        printf("  its flash is that of %s\n", files.words);
    }
    printf("  id %04x:%04x, release %x.%02x", device->vendor, device->product, device->device >> 8,
           device->device & 0xFF);
    if (device->serial[0]) {
        printf(", serial number %s", device->serial);
    }
    if (device->path[0]) {
        printf(", plugged in at %s", device->path);
    }
    if (device->address) {
        printf(" (bus %03u device %03u)", device->bus, device->address);
    }
    putchar('\n');
}

static void print_device(const struct molt_dfu_device *device)
{
    print_head(device);
    if (device->error) {
        printf(
            "  NOT USABLE: %s%s\n", molt_strerror(device->error),
            device->error == MOLT_E_USB_ACCESS
                ? "; install the udev rule 60-molt.rules; a container has to be given /dev/bus/usb"
                : "");
    }
    for (uint32_t i = 0; i < device->alternate_count; i++) {
        const struct molt_dfu_alternate *alternate = &device->alternate[i];
        if (i == 0 || !same_facts(alternate, alternate - 1)) {
            print_interface(alternate);
        }
        print_alternate(device, alternate);
    }
}

static void print_all(const struct cli_args *args, const struct molt_dfu_choice *choice,
                      const struct molt_dfu_device *devices, uint32_t count)
{
    struct json_out json = {.out = stdout};
    bool as_json = cli_has(args, "json");
    if (as_json) {
        json_open(&json, NULL, '{');
        json_open(&json, "devices", '[');
    }
    for (uint32_t i = 0, printed = 0; i < count; i++) {
        if (!molt_dfu_choice_fits(choice, &devices[i])) {
            continue;
        }
        if (as_json) {
            json_device(&json, &devices[i]);
        } else {
            fputs(printed++ ? "\n" : "", stdout);
            print_device(&devices[i]);
        }
    }
    if (as_json) {
        json_close(&json, ']');
        json_close(&json, '}');
    }
}

static int list_folder(struct cli_args *args, const struct molt_dfu_choice *choice)
{
    struct molt_dfu_session *session;
    struct molt_dfu_choice any;
    int code = dfu_open(args, 0, NULL, &session);
    if (code != CLI_OK) {
        return code;
    }
    (void)choice;
    molt_dfu_choice_parse(&any, "usb:", NULL);
    print_all(args, &any, &session->device, 1);
    return dfu_close(args, session, CLI_OK);
}

/* Waits as the other verbs do; that more than one fits, or one may not be opened, is shown. */
static int find(struct cli_args *args, const struct molt_dfu_choice *choice, uint32_t wait_ms,
                struct molt_dfu_device **devices, uint32_t *count, struct molt_message *message)
{
    struct molt_progress progress;
    const struct molt_dfu_device *device;
    const struct molt_dfu_alternate *alternate;
    cli_progress_start(args, &progress);
    int error =
        molt_dfu_find(choice, wait_ms, &progress, devices, count, &device, &alternate, message);
    cli_progress_end(args);
    bool asked = args->operand_count > 0 || wait_ms > 0;
    if (error == MOLT_E_USB_AMBIGUOUS || error == MOLT_E_USB_ACCESS) {
        return MOLT_OK;
    }
    return error == MOLT_E_NOT_FOUND && !asked ? MOLT_OK : error;
}

static int run(struct cli_args *args)
{
    struct molt_message message = {0};
    struct molt_dfu_choice choice;
    struct molt_dfu_device *devices;
    uint32_t wait_ms, count;
    int code = dfu_choice(args, 0, &choice, &wait_ms);
    if (code != CLI_OK) {
        return code;
    }
    if (choice.folder[0]) {
        return list_folder(args, &choice);
    }
    int error = find(args, &choice, wait_ms, &devices, &count, &message);
    if (!error) {
        print_all(args, &choice, devices, count);
        if (count == 0) {
            fprintf(stderr, "%s\n", message.text);
        }
    }
    molt_dfu_list_free(devices, count);
    return error ? cli_fail(args, &message) : CLI_OK;
}

extern const struct cli_verb cli_verb_dfu_list;
const struct cli_verb cli_verb_dfu_list = {
    "dfu list", "[TARGET]", "show the devices that can be flashed by USB DFU", details, options, 0,
    1,          run};
