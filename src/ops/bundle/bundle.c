#include "molt/ops/bundle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "molt/host/crypto.h"
#include "molt/host/file.h"
#include "molt/ops/device.h"
#include "ops/bundle/bundle_internal.h"

#define BUNDLE_SIZE_MAX ((size_t)512 << 20)

void molt_bundle_report_free(struct molt_bundle_report *report)
{
    molt_bytes_free(&report->bytes);
    for (int i = 0; i < MOLT_PAYLOAD_MAX; i++) {
        molt_bytes_free(&report->content[i]);
    }
}

/* Everything that a bundle is made from, to be freed together. */
struct inputs {
    struct molt_key key;
    struct molt_bytes app;
    struct bundle_files files;
    char *info;
    uint16_t mpy_abi; /* of the firmware; 0 = unknown */
};

static void free_inputs(struct inputs *inputs)
{
    molt_key_close(&inputs->key);
    molt_bytes_free(&inputs->app);
    bundle_free_files(&inputs->files);
    free(inputs->info);
}

/* The text that clouds which store firmware scan a file for. Their field names. */
static char *make_info(const struct molt_bundle_request *request, const struct molt_image *image)
{
    int number[4] = {0};
    char built[40];
    const char *digits = image->app.version;
    sscanf(*digits == 'v' ? digits + 1 : digits, "%9d.%9d.%9d.%9d", &number[0], &number[1],
           &number[2], &number[3]);
    snprintf(built, sizeof built, "%s %s", image->app.date, image->app.time);
    json_t *object = json_pack("{ss ss ss ss ss ss si si si si ss}", "org", "", "product",
                               request->product ? request->product : "", "description", "",
                               "firmware", image->app.project, "version", image->app.version,
                               "built", built, "ver_major", number[0], "ver_minor", number[1],
                               "ver_patch", number[2], "ver_build", number[3], "builder", "molt");
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(object);
    return text;
}

/* Which .mpy files load: as said, else as the app's version text tells, or that of the firmware
 * that the devices run already. */
static int find_abi(struct inputs *inputs, const struct molt_bundle_request *request,
                    struct molt_message *message)
{
    struct molt_bytes firmware = {0};
    struct molt_bundle_app app = {0};
    inputs->mpy_abi = request->mpy_abi;
    if (!inputs->mpy_abi && request->app) {
        inputs->mpy_abi = molt_ops_mpy_abi(inputs->app.data, inputs->app.size);
    } else if (!inputs->mpy_abi && request->firmware) {
        int error = strncmp(request->firmware, "sim:", 4) == 0
                        ? bundle_read_running(&firmware, request->firmware, message)
                        : bundle_read_app(&firmware, &app, request->firmware, NULL, message);
        if (error) {
            return error;
        }
        inputs->mpy_abi = molt_ops_mpy_abi(firmware.data, firmware.size);
        molt_bytes_free(&firmware);
        if (!inputs->mpy_abi) {
            return molt_fail(message, MOLT_E_NOT_FOUND,
                             "%s: no text 'MicroPython v1.N' in its app, so which .mpy files it "
                             "loads is unknown: say it with --mpy-abi",
                             request->firmware);
        }
    }
    return MOLT_OK;
}

static int read_files(struct inputs *inputs, uint32_t *compiled,
                      const struct molt_bundle_request *request, struct molt_message *message)
{
    int error = bundle_read_release(&inputs->files, request->release, message);
    if (!error) {
        error = bundle_apply_policies(&inputs->files, request, message);
    }
    if (error || !request->compile) {
        return error;
    }
    int count = bundle_compile(&inputs->files, request, inputs->mpy_abi, message);
    *compiled = count < 0 ? 0 : (uint32_t)count;
    return count < 0 ? count : MOLT_OK;
}

static int read_inputs(struct inputs *inputs, struct molt_bundle_app *app,
                       const struct molt_bundle_request *request, struct molt_message *message)
{
    int error = molt_key_open(&inputs->key, request->key, message);
    if (!error && request->app) {
        error = bundle_read_app(&inputs->app, app, request->app, request->app_version, message);
        if (!error && app->image.app.present && !(inputs->info = make_info(request, &app->image))) {
            error = molt_fail(message, MOLT_E_FORMAT,
                              "%s: texts of the app's descriptor are not UTF-8", request->app);
        }
    }
    if (!error) {
        error = find_abi(inputs, request, message);
    }
    if (!error && request->release) {
        error = read_files(inputs, &app->compiled, request, message);
    }
    if (!error && request->release) {
        error = bundle_apply_policies(&inputs->files, request, message);
    }
    return error;
}

/* A refusal of the builder, with the file's name where it is about one. */
static int fail_build(const struct molt_bundle_request *request, const struct inputs *inputs,
                      struct molt_diag *diag, struct molt_message *message)
{
    char thing[4096];
    snprintf(thing, sizeof thing, "%s", request->output);
    if ((diag->error == MOLT_E_RELEASE || diag->error == MOLT_E_MPY_ABI) &&
        diag->offset < inputs->files.count) {
        snprintf(thing, sizeof thing, "%s/%s", request->release,
                 inputs->files.file[diag->offset].path);
        diag->offset = MOLT_DIAG_NONE;
    }
    return molt_fail_diag(message, thing, diag);
}

static int build(struct molt_bytes *bundle, const struct molt_bundle_request *request,
                 const struct inputs *inputs, const struct molt_bundle_app *app,
                 const struct molt_progress *progress, struct molt_message *message)
{
    struct molt_pack_input input = {
        .app = inputs->app.data,
        .app_size = (uint32_t)inputs->app.size,
        .chip_id = app->image.header.chip_id,
        .files = inputs->files.file,
        .file_count = inputs->files.count,
        .sequence = request->sequence,
        .board = request->board,
        .slot_size = request->slot_size,
        .min_bootloader = request->min_bootloader,
        .mpy_abi = inputs->mpy_abi,
        .info = inputs->info,
        .issued = request->issued,
        .expires = request->expires,
        .allow_downgrade = request->allow_downgrade,
        .codec = request->codec,
    };
    struct molt_diag diag = {0};
    int error = molt_bundle_build(bundle, &input, &inputs->key.signer, progress, &diag);
    return error ? fail_build(request, inputs, &diag, message) : MOLT_OK;
}

/* Signature and content into the report. */
static void check(struct molt_bundle_report *report, const uint8_t *public_key)
{
    const struct molt_cose *cose = &report->view.cose;
    report->has_key_id = cose->key_id != NULL;
    if (cose->key_id) {
        memcpy(report->key_id, cose->key_id, sizeof report->key_id);
    }
    if (public_key) {
        struct molt_trusted_key key = {.uses = MOLT_KEY_BUNDLES};
        memcpy(key.public_key, public_key, sizeof key.public_key);
        int error = molt_cose_verify(cose, &key, 1, MOLT_KEY_BUNDLES, &molt_openssl_verifier, NULL);
        report->signature = error == MOLT_OK              ? MOLT_SIGNATURE_RIGHT
                            : error == MOLT_E_KEY_UNKNOWN ? MOLT_SIGNATURE_KEY_UNKNOWN
                                                          : MOLT_SIGNATURE_WRONG;
    }
    for (uint32_t i = 0; i < report->view.manifest.payload_count; i++) {
        report->content_error[i] =
            molt_bundle_decode(&report->view, &report->view.manifest.payload[i],
                               &report->content[i], &report->content_diag[i]);
    }
}

static int open_bytes(struct molt_bundle_report *report, const char *path,
                      const uint8_t *public_key, struct molt_message *message)
{
    struct molt_diag diag = {0};
    int error = molt_bundle_open(&report->view, report->bytes.data, report->bytes.size, &diag);
    if (error) {
        return molt_fail_diag(message, path, &diag);
    }
    check(report, public_key);
    return MOLT_OK;
}

/* What was built must be right in every respect, and carry the very app. */
static int verify_own(struct molt_bundle_report *report, const struct inputs *inputs,
                      const char *path, struct molt_message *message)
{
    int error = open_bytes(report, path, inputs->key.signer.public_key, message);
    if (error) {
        return error;
    }
    bool right = report->signature == MOLT_SIGNATURE_RIGHT;
    for (uint32_t i = 0; i < report->view.manifest.payload_count; i++) {
        if (report->content_error[i]) {
            return molt_fail_diag(message, path, &report->content_diag[i]);
        }
        if (report->view.manifest.payload[i].role == MOLT_ROLE_APP) {
            right = right && report->content[i].size == inputs->app.size &&
                    memcmp(report->content[i].data, inputs->app.data, inputs->app.size) == 0;
        }
    }
    return right ? MOLT_OK
                 : molt_fail(message, MOLT_E_VERIFY,
                             "%s: the bundle just built does not verify; not written", path);
}

/* Before the work, not after it. */
static int check_output(const struct molt_bundle_request *request, struct molt_message *message)
{
    struct stat info;
    const char *input[] = {request->app, request->key, request->firmware};
    for (size_t i = 0; i < sizeof input / sizeof input[0]; i++) {
        if (input[i] && molt_same_file(input[i], request->output)) {
            return molt_fail(message, MOLT_E_ARGUMENT,
                             "%s: is an input, too: choose another name for the output",
                             request->output);
        }
    }
    if (!request->replace && stat(request->output, &info) == 0) {
        return molt_fail(message, MOLT_E_EXISTS,
                         "%s: exists already: choose another name, or replace it with --force",
                         request->output);
    }
    return MOLT_OK;
}

int molt_bundle_create(struct molt_bundle_report *report, const struct molt_bundle_request *request,
                       const struct molt_progress *progress, struct molt_message *message)
{
    struct inputs inputs = {0};
    memset(report, 0, sizeof *report);
    int error = check_output(request, message);
    if (!error) {
        error = read_inputs(&inputs, &report->app, request, message);
    }
    if (!error) {
        error = build(&report->bytes, request, &inputs, &report->app, progress, message);
    }
    if (!error) {
        error = verify_own(report, &inputs, request->output, message);
    }
    if (!error) {
        error = molt_file_write(request->output, report->bytes.data, report->bytes.size, 0666,
                                request->replace ? MOLT_FILE_REPLACE : MOLT_FILE_KEEP, message);
    }
    free_inputs(&inputs);
    return error;
}

int molt_bundle_inspect(struct molt_bundle_report *report, const char *path, const char *key,
                        struct molt_message *message)
{
    uint8_t public_key[MOLT_P256_PUBLIC_SIZE];
    memset(report, 0, sizeof *report);
    int error = key ? molt_public_key_read(key, public_key, message) : MOLT_OK;
    if (!error) {
        error = molt_file_read(path, BUNDLE_SIZE_MAX, &report->bytes.data, &report->bytes.size,
                               message);
    }
    return error ? error : open_bytes(report, path, key ? public_key : NULL, message);
}
