#define _POSIX_C_SOURCE 200809L
#include "molt/ops/publish.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "molt/host/crypto.h"
#include "molt/host/file.h"
#include "molt/ops/bundle.h"

#define BUNDLE_SIZE_MAX ((size_t)512 << 20)
#define CLOCK_SKEW      300 /* seconds */

static int join(char path[PATH_MAX], const char *folder, const char *below,
                struct molt_message *message)
{
    int n = snprintf(path, PATH_MAX, "%s/%s", folder, below);
    return n > 0 && n < PATH_MAX ? MOLT_OK
                                 : molt_fail(message, MOLT_E_ARGUMENT, "%s: path too long", folder);
}

static int make_folder(const char *path, struct molt_message *message)
{
    if (mkdir(path, 0777) == 0) {
        return MOLT_OK;
    }
    int number = errno;
    struct stat info;
    if (number == EEXIST && stat(path, &info) == 0) {
        return S_ISDIR(info.st_mode)
                   ? MOLT_OK
                   : molt_fail(message, MOLT_E_ARGUMENT, "%s: is not a folder", path);
    }
    return molt_fail(message, molt_errno(number), "%s: cannot make the folder: %s", path,
                     strerror(number));
}

static int make_tree(const char *folder, struct molt_message *message)
{
    char path[PATH_MAX];
    int error = make_folder(folder, message);
    static const char *const below[] = {"bundles", "channels"};
    for (size_t i = 0; i < 2 && !error; i++) {
        error = join(path, folder, below[i], message);
        if (!error) {
            error = make_folder(path, message);
        }
    }
    return error;
}

/* A bundle is published only when every chunk of it decodes. */
static int check_bundle(struct molt_bundle_report *bundle, const char *path,
                        struct molt_message *message)
{
    int error = molt_bundle_inspect(bundle, path, NULL, message);
    for (uint32_t i = 0; !error && i < bundle->view.manifest.payload_count; i++) {
        if (bundle->content_error[i]) {
            error = molt_fail_diag(message, path, &bundle->content_diag[i]);
        }
    }
    return error;
}

/* Immutable: what is there under a digest stays, and must be the same. */
static int put_bundle(struct molt_publish_report *report, const char *folder,
                      const struct molt_bytes *bundle, struct molt_message *message)
{
    char path[PATH_MAX];
    uint8_t *there;
    size_t n;
    int error = join(path, folder, report->bundle_path, message);
    if (error) {
        return error;
    }
    error = molt_file_read(path, BUNDLE_SIZE_MAX, &there, &n, message);
    if (error == MOLT_E_NOT_FOUND) {
        error = molt_file_write(path, bundle->data, bundle->size, 0666, MOLT_FILE_KEEP, message);
        report->bundle_written = error == MOLT_OK;
        return error;
    }
    if (error) {
        return error;
    }
    bool same = n == bundle->size && memcmp(there, bundle->data, n) == 0;
    free(there);
    return same ? MOLT_OK
                : molt_fail(message, MOLT_E_EXISTS,
                            "%s: is there already with other bytes (signed anew, or damaged), and "
                            "a published bundle never changes: publish that file, or raise the "
                            "sequence number",
                            path);
}

/* What the channel says now, if anything. */
static int read_previous(struct molt_publish_report *report, const char *path, const char *name,
                         struct molt_message *message)
{
    struct molt_diag diag = {0};
    struct molt_cose cose;
    uint8_t *bytes;
    size_t n;
    int error = molt_file_read(path, INT_MAX, &bytes, &n, message);
    if (error) {
        return error == MOLT_E_NOT_FOUND ? MOLT_OK : error;
    }
    error = molt_channel_open(&report->previous, &cose, bytes, n, &diag);
    free(bytes);
    if (error) {
        return molt_fail_diag(message, path, &diag);
    }
    report->had_previous = true;
    return strcmp(report->previous.name, name) == 0
               ? MOLT_OK
               : molt_fail(message, MOLT_E_CHANNEL_NAME,
                           "%s: is a file of channel '%s', expected '%s'", path,
                           report->previous.name, name);
}

/* Strictly newer than what is there, or devices would not tell them apart; and not before the
 * bundle (made on another machine): a device that has read it would refuse the channel when it asks
 * again. */
static int choose_issued(struct molt_publish_report *report, uint64_t bundle_issued, uint64_t now,
                         const char *path, struct molt_message *message)
{
    uint64_t before = report->had_previous ? report->previous.issued : 0;
    if (bundle_issued > now && bundle_issued - now > CLOCK_SKEW) {
        return molt_fail(message, MOLT_E_ARGUMENT,
                         "%s: its bundle was issued %llu seconds after now: set this machine's "
                         "clock, or make the bundle again",
                         path, (unsigned long long)(bundle_issued - now));
    }
    report->channel.issued = now > before ? now : before + 1;
    if (report->channel.issued < bundle_issued) {
        report->channel.issued = bundle_issued;
    }
    if (before > now && before - now > CLOCK_SKEW) {
        return molt_fail(message, MOLT_E_CHANNEL_OLD,
                         "%s: was issued %llu seconds after now: set this machine's clock", path,
                         (unsigned long long)(before - now));
    }
    return MOLT_OK;
}

static void fill_channel(struct molt_channel *channel, const struct molt_publish_request *request,
                         const uint8_t digest[MOLT_SHA256_SIZE])
{
    snprintf(channel->name, sizeof channel->name, "%s", request->channel);
    memcpy(channel->bundle, digest, sizeof channel->bundle);
    channel->expires = request->expires;
    channel->has_rollout = request->has_rollout;
    if (request->has_rollout) {
        memcpy(channel->salt, digest, sizeof channel->salt);
        channel->permille = request->permille;
        channel->not_before = request->not_before;
    }
}

static int publish(struct molt_publish_report *report, const struct molt_publish_request *request,
                   const struct molt_key *key, const struct molt_bundle_report *bundle,
                   struct molt_message *message)
{
    char path[PATH_MAX];
    uint8_t sealed[MOLT_CHANNEL_FILE_MAX];
    fill_channel(&report->channel, request, bundle->view.manifest.digest);
    molt_tree_bundle_path(report->channel.bundle, report->bundle_path);
    molt_tree_channel_path(request->channel, report->channel_path);
    int error = join(path, request->folder, report->channel_path, message);
    if (error || (error = read_previous(report, path, request->channel, message)) != 0 ||
        (error = choose_issued(report, bundle->view.manifest.issued, request->now, path,
                               message)) != 0) {
        return error;
    }
    int n = molt_channel_seal(sealed, &report->channel, &key->signer);
    if (n < 0) {
        return molt_fail(message, n, "%s: cannot sign: %s", request->key, molt_strerror(n));
    }
    if ((error = make_tree(request->folder, message)) != 0 ||
        (error = put_bundle(report, request->folder, &bundle->bytes, message)) != 0) {
        return error;
    }
    /* The pointer last: it never names what is not there. */
    return molt_file_write(path, sealed, (size_t)n, 0666, MOLT_FILE_REPLACE, message);
}

int molt_publish(struct molt_publish_report *report, const struct molt_publish_request *request,
                 struct molt_message *message)
{
    struct molt_key key = {0};
    memset(report, 0, sizeof *report);
    if (!molt_channel_name_ok(request->channel)) {
        return molt_fail(message, MOLT_E_CHANNEL_NAME,
                         "channel '%s': expected 1 to 32 letters, digits, '.', '_' or '-', not "
                         "beginning with '.'",
                         request->channel);
    }
    struct molt_bundle_report *bundle = calloc(1, sizeof *bundle);
    if (!bundle) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    int error = molt_key_open(&key, request->key, message);
    if (!error) {
        error = check_bundle(bundle, request->bundle, message);
    }
    if (!error) {
        error = publish(report, request, &key, bundle, message);
    }
    molt_key_close(&key);
    molt_bundle_report_free(bundle);
    free(bundle);
    return error;
}
