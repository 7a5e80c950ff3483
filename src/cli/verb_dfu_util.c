#include "cli/dfu_util.h"

#ifndef MOLT_VERSION
#define MOLT_VERSION "unknown"
#endif

static int run(struct cli_args *args)
{
    struct dfu_util job;
    int code = dfu_util_parse(args, &job);
    if (code == CLI_OK && job.mode == DFU_UTIL_VERSION) {
        printf("dfu-util 0.11, its options as molt %s takes them\n", MOLT_VERSION);
        return DFU_UTIL_OK;
    }
    return code == CLI_OK ? dfu_util_act(args, &job) : code;
}

static const struct cli_option options[] = {
    {"list", 'l', NULL, "print a line for each alternate setting of each DFU device"},
    {"download", 'D', "FILE", "write FILE (\"-\": standard input) to the device"},
    {"upload", 'U', "FILE", "read the device into FILE, which must not be there yet"},
    {"dfuse-address", 's', "WORDS", "[ADDRESS][:leave][:force]... of a DfuSe device; see below"},
    {"alt", 'a', "ALT", "alternate setting, by number or name"},
    {"altsetting", 0, "ALT", "the same"},
    {"device", 'd', "IDS", "VID:PID[,VID:PID], hexadecimal, * any, - none; second: in DFU mode"},
    {"serial", 'S', "SERIAL", "SERIAL[,SERIAL]; second: in DFU mode"},
    {"path", 'p', "PATH", "bus and ports, as --list prints them: 1-2.3"},
    {"devnum", 'n', "NUMBER", "device number, as --list prints it"},
    {"intf", 'i', "NUMBER", "interface"},
    {"interface", 0, "NUMBER", "the same"},
    {"cfg", 'c', "NUMBER", "configuration (0: any)"},
    {"configuration", 0, "NUMBER", "the same"},
    {"wait", 'w', NULL, "wait for the device"},
    {"detach", 'e', NULL, "bring a device that runs its application into DFU mode"},
    {"detach-delay", 'E', "SECONDS", "wait that long for it to come back (default: 5)"},
    {"reset", 'R', NULL, "reset the USB port at the end"},
    {"transfer-size", 't', "BYTES", "send less at once than the device takes"},
    {"upload-size", 'Z', "BYTES", "what is expected to come; a difference is told"},
    {"verbose", 'v', NULL, "print the plan and what the device says of itself"},
    {"version", 'V', NULL, "print the version"},
    {0}};

static const char details[] =
    "dfu-util's options over Molt's own reading and writing: scripts need the command's name "
    "changed.\n"
    "WORDS, each behind a ':': an address in front (for a raw file, or to read from); leave (start "
    "the\n"
    "firmware), mass-erase, unprotect (both only with force), will-reset (it is no failure that "
    "the\n"
    "device goes away), force (also where the board's files are lost, or a file is for another\n"
    "device), and a length to read. Without -D and -U the commands are done alone: -s :leave.\n"
    "\n"
    "Not as dfu-util does it: what is written is read back and compared; leave starts the "
    "firmware\n"
    "whatever file it came from, and a device that goes away then is a success; a sector is "
    "erased\n"
    "once; without a length -U reads to the end of the flash; -d with one pair of ids means that\n"
    "device, in either mode; without -a the alternate setting with the flash is taken; what would\n"
    "overwrite the board's files is refused.\n"
    "TARGET may be sim:FOLDER. Exit codes are dfu-util's: 0, 64 (wrong command line, or refused), "
    "65\n"
    "(damaged file), 66 (no such file), 70, 73 (the output exists), 74 (the device), 76.\n"
    "Examples: 'molt dfu-util -a 0 -s 0x08000000:leave -D firmware.bin',\n"
    "'molt dfu-util -d 0483:df11 -a 0 -U backup.bin', 'molt dfu-util -l'.";

extern const struct cli_verb cli_verb_dfu_util;
const struct cli_verb cli_verb_dfu_util = {
    "dfu-util", "[TARGET]", "write and read USB DFU devices, in dfu-util's words",
    details,    options,    0,
    1,          run};
