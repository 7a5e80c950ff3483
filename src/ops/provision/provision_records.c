/* Keys and name of a device: records of a simulated board's store, and /ota.json, from which a
 * device takes them into its own store at its first update. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "molt/host/crypto.h"
#include "molt/host/simrun.h"
#include "ops/provision/provision_internal.h"

static const char *uses_name(unsigned uses)
{
    return uses == MOLT_KEY_BUNDLES ? "bundles" : uses == MOLT_KEY_CHANNELS ? "channels" : "both";
}

static uint8_t uses_of(const struct molt_provision_key *key)
{
    return key->uses ? key->uses : MOLT_KEY_BUNDLES | MOLT_KEY_CHANNELS;
}

static int too_many(const struct molt_provision *job, struct molt_message *message)
{
    return molt_fail(message, MOLT_E_NO_SPACE, "%s: trusts %u keys already, no more fit", job->name,
                     MOLT_KEYS_MAX);
}

/* ---- The store ---- */

static int look_at_key(struct molt_provision *job, const struct molt_provision_key *wanted,
                       struct molt_message *message)
{
    uint8_t key[MOLT_P256_PUBLIC_SIZE], uses = uses_of(wanted);
    int result = molt_public_key_read(wanted->path, key, message);
    if (result < 0) {
        return result;
    }
    uint32_t at = 0;
    while (at < job->key_count && memcmp(job->keys[at].public_key, key, sizeof key) != 0) {
        at++;
    }
    if (at == MOLT_KEYS_MAX) {
        return too_many(job, message);
    }
    if (at == job->key_count || (job->keys[at].uses & uses) != uses) {
        memcpy(job->keys[at].public_key, key, sizeof key);
        job->keys[at].uses = at == job->key_count ? uses : job->keys[at].uses | uses;
        job->key_count += at == job->key_count;
        job->write_keys = true;
        molt_plan_add(&job->plan, MOLT_STEP_WRITE, 0, 0, "keys",
                      "record 3 of the store: %.120s is trusted for %s", wanted->path,
                      uses == MOLT_KEY_BUNDLES    ? "bundles"
                      : uses == MOLT_KEY_CHANNELS ? "channels"
                                                  : "bundles and channels");
    }
    return MOLT_OK;
}

static int look_at_keys(struct molt_provision *job, struct molt_message *message)
{
    int count = molt_keys_load(&job->target->board->store, job->keys);
    if (count < 0) {
        return molt_fail(message, count, "%s: record 3 (keys) of its store: %s", job->name,
                         molt_strerror(count));
    }
    job->key_count = (uint32_t)count;
    int result = MOLT_OK;
    for (uint32_t i = 0; i < job->request->key_count && result == MOLT_OK; i++) {
        result = look_at_key(job, &job->request->key[i], message);
    }
    return result;
}

static int look_at_device(struct molt_provision *job, struct molt_message *message)
{
    const struct molt_board *board = job->target->board;
    const char *id = job->request->id, *name = job->request->board;
    char own[MOLT_SIMRUN_ID_SIZE];
    uint8_t found[MOLT_RECORD_MAX];
    int n = board->store.ops->get(board->store.context, MOLT_RECORD_DEVICE, found, sizeof found);
    if (n < 0 && n != MOLT_E_NOT_FOUND) {
        return molt_fail(message, n, "%s: record 6 (device) of its store: %s", job->name,
                         molt_strerror(n));
    }
    if (n > 0 && !id && !name) {
        return MOLT_OK;
    }
    molt_simrun_unique_id(board, own);
    id = id ? id : own;
    name = name ? name : board->facts.name;
    size_t name_size = strlen(name), id_size = strlen(id);
    job->device[0] = 1;
    job->device[1] = (uint8_t)name_size;
    memcpy(job->device + 2, name, name_size);
    job->device[2 + name_size] = (uint8_t)id_size;
    memcpy(job->device + 3 + name_size, id, id_size);
    job->device_size = (uint32_t)(3 + name_size + id_size);
    job->write_device = n != (int)job->device_size || memcmp(found, job->device, (size_t)n) != 0;
    if (job->write_device) {
        molt_plan_add(&job->plan, MOLT_STEP_WRITE, 0, 0, "device",
                      "record 6 of the store: board '%s', device id '%s'", name, id);
    }
    return MOLT_OK;
}

int provision_look_at_store(struct molt_provision *job, struct molt_message *message)
{
    int result = look_at_keys(job, message);
    return result == MOLT_OK ? look_at_device(job, message) : result;
}

/* ---- /ota.json ---- */

static int broken(const struct molt_provision *job, const char *words, struct molt_message *message)
{
    return molt_fail(message, MOLT_E_FORMAT,
                     "%s: " PROVISION_SITE ": %s: put it right, or remove "
                     "it",
                     job->name, words);
}

/* The object that is there, or an empty one. */
static int read_site(struct molt_provision *job, json_t **site, struct molt_message *message)
{
    uint8_t *bytes = NULL;
    uint32_t n = 0;
    json_error_t error;
    *site = NULL;
    int result = provision_read(job, PROVISION_SITE, &bytes, &n, message);
    if (result < 0) {
        return result;
    }
    *site = bytes ? json_loadb((char *)bytes, n, JSON_REJECT_DUPLICATES, &error) : json_object();
    free(bytes);
    if (!*site) {
        return broken(job, "is no JSON", message);
    }
    return json_is_object(*site) ? MOLT_OK : broken(job, "expected a JSON object", message);
}

static unsigned uses_in(const json_t *row)
{
    const char *text = json_string_value(json_object_get(row, "use"));
    return !text                           ? 0
           : strcmp(text, "bundles") == 0  ? MOLT_KEY_BUNDLES
           : strcmp(text, "channels") == 0 ? MOLT_KEY_CHANNELS
           : strcmp(text, "both") == 0     ? MOLT_KEY_BUNDLES | MOLT_KEY_CHANNELS
                                           : 0;
}

static int merge_key(struct molt_provision *job, json_t *rows,
                     const struct molt_provision_key *wanted, struct molt_message *message)
{
    uint8_t key[MOLT_P256_PUBLIC_SIZE];
    char text[2 * sizeof key + 1];
    json_t *row;
    size_t i;
    unsigned uses = uses_of(wanted);
    int result = molt_public_key_read(wanted->path, key, message);
    if (result < 0) {
        return result;
    }
    for (size_t n = 0; n < sizeof key; n++) {
        snprintf(text + 2 * n, 3, "%02x", key[n]);
    }
    json_array_foreach(rows, i, row)
    {
        const char *there = json_string_value(json_object_get(row, "key"));
        if (!there || uses_in(row) == 0) {
            return broken(job, "keys: a row without use or key", message);
        }
        if (strcmp(there, text) == 0) {
            json_object_set_new(row, "use", json_string(uses_name(uses_in(row) | uses)));
            return MOLT_OK;
        }
    }
    if (json_array_size(rows) >= MOLT_KEYS_MAX) {
        return too_many(job, message);
    }
    json_array_append_new(rows, json_pack("{s:s,s:s}", "use", uses_name(uses), "key", text));
    return MOLT_OK;
}

static int merge_text(json_t *site, const char *name, const char *text,
                      struct molt_message *message)
{
    if (!text) {
        return MOLT_OK;
    }
    return json_object_set_new(site, name, json_string(text)) == 0
               ? MOLT_OK
               : molt_fail(message, MOLT_E_ARGUMENT, "--%s: not UTF-8", name);
}

static int merge(struct molt_provision *job, json_t *site, struct molt_message *message)
{
    const struct molt_provision_request *request = job->request;
    const char *board = request->board;
    const char *channel = request->channel;
    if (!board && job->target && job->target->board) {
        board = job->target->board->facts.name;
    }
    if (!channel && request->url && !json_object_get(site, "channel")) {
        channel = "stable";
    }
    int result = merge_text(site, "url", request->url, message);
    if (result == MOLT_OK) {
        result = merge_text(site, "channel", channel, message);
    }
    if (result == MOLT_OK) {
        result = merge_text(site, "board", board, message);
    }
    if (result == MOLT_OK) {
        result = merge_text(site, "id", request->id, message);
    }
    if (result < 0) {
        return result;
    }
    json_t *rows = json_object_get(site, "keys");
    if (!rows) {
        json_object_set_new(site, "keys", json_array());
        rows = json_object_get(site, "keys");
    }
    if (!json_is_array(rows)) {
        return broken(job, "keys: expected an array", message);
    }
    for (uint32_t i = 0; i < request->key_count && result == MOLT_OK; i++) {
        result = merge_key(job, rows, &request->key[i], message);
    }
    if (request->allow_unsigned) {
        json_object_set_new(site, "allow_unsigned", json_true());
    }
    return result;
}

int provision_want_site(struct molt_provision *job, struct molt_message *message)
{
    json_t *site;
    int result = read_site(job, &site, message);
    json_t *before = result == MOLT_OK ? json_deep_copy(site) : NULL;
    if (result == MOLT_OK) {
        result = merge(job, site, message);
    }
    if (result == MOLT_OK && !json_equal(before, site)) {
        char *text = json_dumps(site, JSON_COMPACT);
        result = text ? provision_want(job, PROVISION_SITE, (uint8_t *)text, strlen(text), message)
                      : molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    if (result == MOLT_OK && !json_object_get(site, "board")) {
        molt_plan_add(
            &job->plan, MOLT_STEP_NOTE, 0, 0, "board",
            "has no name: it takes bundles for any board only; --board NAME gives it one");
    }
    json_decref(before);
    json_decref(site);
    return result;
}
