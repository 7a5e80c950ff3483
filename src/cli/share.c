#define _POSIX_C_SOURCE 200809L /* readlink */
#include "cli/share.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Folder of the running command, without a slash at its end. */
static void own_folder(char folder[CLI_SHARE_PATH])
{
    ssize_t n = readlink("/proc/self/exe", folder, CLI_SHARE_PATH - 1);
    folder[n > 0 ? n : 0] = 0;
    char *slash = strrchr(folder, '/');
    if (slash) {
        *slash = 0;
    } else {
        strcpy(folder, ".");
    }
}

/* The first of the candidates below the command's folder that exists, with /NAME; else the first of
 * all. */
static const char *beside(const char *const *candidates, const char *name,
                          char path[CLI_SHARE_PATH])
{
    char folder[CLI_SHARE_PATH];
    own_folder(folder);
    for (int round = 0; round < 2; round++) {
        for (const char *const *candidate = candidates; *candidate; candidate++) {
            int n = snprintf(path, CLI_SHARE_PATH, "%s/%s%s%s", folder, *candidate,
                             name[0] ? "/" : "", name);
            if (n < CLI_SHARE_PATH && (round == 1 || access(path, F_OK) == 0)) {
                return path;
            }
        }
    }
    return path;
}

static bool from_environment(const char *variable, const char *name, char path[CLI_SHARE_PATH])
{
    const char *value = getenv(variable);
    if (!value || !value[0]) {
        return false;
    }
    snprintf(path, CLI_SHARE_PATH, "%s%s%s", value, name[0] ? "/" : "", name);
    return true;
}

const char *cli_share_port(const char *name, char path[CLI_SHARE_PATH])
{
    static const char *const candidates[] = {"../ports/micropython", "../../ports/micropython",
                                             "../share/molt/micropython", NULL};
    return from_environment("MOLT_PORT", name, path) ? path : beside(candidates, name, path);
}

const char *cli_share_native(char path[CLI_SHARE_PATH])
{
    static const char *const candidates[] = {"native", "../native", "../share/molt/native", NULL};
    return from_environment("MOLT_NATIVE", "", path) ? path : beside(candidates, "", path);
}

const char *cli_share_micropython(char path[CLI_SHARE_PATH])
{
    static const char *const candidates[] = {"micropython/micropython",
                                             "../micropython/micropython", NULL};
    if (from_environment("MOLT_MICROPYTHON", "", path)) {
        return path;
    }
    beside(candidates, "", path);
    if (access(path, X_OK) != 0) {
        snprintf(path, CLI_SHARE_PATH, "micropython");
    }
    return path;
}
