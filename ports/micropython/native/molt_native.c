/*
 * The engine as a MicroPython module: a dynamic native module for stock firmware, or a user C
 * module (runtime.h serves both, ../usermod registers the latter). Everything the platform gives
 * comes from one Python object, the host, which is passed to every call; docs/PORTING.md lists its
 * attributes and methods.
 *
 * Memory: the state is a bytearray that Python holds. It contains pointers into itself and to
 * constants only (the collector never moves a block), and the host only while a call runs, when the
 * caller's frame holds it too. Buffers handed to a method are valid during that method.
 *
 * An exception in a method passes through the call that ran it, unchanged. The state is spent then:
 * the next step says so, and a new open() goes on from what flash and store hold, as after a reset.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "molt/cose.h"
#include "molt/engine.h"

#include "common/p256_verify.h"

#include "micropython/native/host.h"

#define STATE_MAGIC 0x746C6F6Du /* "molt" */

struct native {
    uint32_t magic;
    bool running; /* a call is under way, or was left by an exception */
    mp_obj_t host;
    struct molt_engine engine;
    struct molt_engine_port port;
    struct molt_flash flash;
    struct molt_region region;
    struct molt_store store;
    struct molt_source source;
    struct molt_files files;
    struct molt_app_slot slot[MOLT_SLOT_MAX];
    char board[64];
    uint8_t expect[MOLT_SHA256_SIZE];
    uint8_t buffer[MOLT_ENGINE_BUFFER];
    uint8_t window[MOLT_INFLATE_WINDOW]; /* last: the trial does without */
};

/* ---- The state ---- */

static uint32_t attribute(mp_obj_t host, qstr name)
{
    return (uint32_t)mp_obj_get_int_truncated(mp_load_attr(host, name));
}

/* Hosts of before do not have every attribute. */
static mp_obj_t attribute_or_none(mp_obj_t host, qstr name)
{
    mp_obj_t words[] = {host, MP_OBJ_NEW_QSTR(name), mp_const_none};
    return mp_call_function_n_kw(mp_load_global(MP_QSTR_getattr), 3, 0, words);
}

/* A digest of 32 bytes; None: *digest stays as it is. */
static bool take_digest(mp_obj_t bytes, uint8_t digest[MOLT_SHA256_SIZE])
{
    mp_buffer_info_t data;
    if (bytes == mp_const_none) {
        return false;
    }
    mp_get_buffer_raise(bytes, &data, MP_BUFFER_READ);
    if (data.len != MOLT_SHA256_SIZE) {
        mp_raise_ValueError("a digest has 32 bytes");
    }
    memcpy(digest, data.buf, MOLT_SHA256_SIZE);
    return true;
}

/* host.slots: (number, offset, size) of each app partition; number -1 = factory. */
static void take_slots(struct native *n)
{
    mp_obj_t list = mp_load_attr(n->host, MP_QSTR_slots);
    size_t count = (size_t)mp_obj_get_int(mp_obj_len(list));
    if (count > MOLT_SLOT_MAX) {
        mp_raise_ValueError("slots: at most 17");
    }
    for (size_t i = 0; i < count; i++) {
        mp_obj_t row = mp_obj_subscr(list, mp_obj_new_int((mp_int_t)i), MP_OBJ_SENTINEL);
        mp_int_t slot = mp_obj_get_int(mp_obj_subscr(row, mp_obj_new_int(0), MP_OBJ_SENTINEL));
        n->slot[i].number = slot < 0 ? MOLT_OTADATA_FACTORY : (int)slot;
        n->slot[i].offset = (uint32_t)mp_obj_get_int_truncated(
            mp_obj_subscr(row, mp_obj_new_int(1), MP_OBJ_SENTINEL));
        n->slot[i].size = (uint32_t)mp_obj_get_int_truncated(
            mp_obj_subscr(row, mp_obj_new_int(2), MP_OBJ_SENTINEL));
    }
    n->port.device.slots = n->slot;
    n->port.device.slot_count = (uint32_t)count;
}

static void take_device(struct native *n)
{
    struct molt_device *device = &n->port.device;
    size_t length;
    const char *board = mp_obj_str_get_data(mp_load_attr(n->host, MP_QSTR_board), &length);
    if (length >= sizeof n->board) {
        mp_raise_ValueError("board: at most 63 bytes");
    }
    memcpy(n->board, board, length);
    device->board = n->board;
    device->chip_id = (uint16_t)attribute(n->host, MP_QSTR_chip_id);
    device->mpy_abi = (uint16_t)attribute(n->host, MP_QSTR_mpy_abi);
    device->bootloader = attribute(n->host, MP_QSTR_bootloader);
    mp_int_t slot = mp_obj_get_int(mp_load_attr(n->host, MP_QSTR_running));
    device->running = slot < 0 ? MOLT_OTADATA_FACTORY : (int)slot;
    device->otadata_offset = attribute(n->host, MP_QSTR_otadata);
    device->rollback = mp_obj_is_true(mp_load_attr(n->host, MP_QSTR_rollback));
    take_digest(attribute_or_none(n->host, MP_QSTR_running_image), device->running_image);
}

/* What is to be installed, and where. */
static void take_wish(struct native *n)
{
    mp_obj_t image = attribute_or_none(n->host, MP_QSTR_image);
    mp_obj_t target = attribute_or_none(n->host, MP_QSTR_target);
    if (take_digest(mp_load_attr(n->host, MP_QSTR_expect), n->expect)) {
        n->port.expect = n->expect;
    }
    if (image != mp_const_none) {
        n->port.image = (uint32_t)mp_obj_get_int_truncated(image);
        if (n->port.image == 0) {
            mp_raise_ValueError("image: its length in bytes, above 0");
        }
    }
    if (target != mp_const_none) {
        n->port.has_target = true;
        n->port.target = (int)mp_obj_get_int(target);
    }
    n->port.retry_failed = mp_obj_is_true(mp_load_attr(n->host, MP_QSTR_retry_failed));
}

/* Joins the interfaces to the host. n is zeroed. */
static void join(struct native *n, mp_obj_t host)
{
    n->magic = STATE_MAGIC;
    n->host = host;
    n->region.sector_size = 4096;
    n->flash.size = attribute(host, MP_QSTR_flash_size);
    n->region.count = n->flash.size / n->region.sector_size;
    n->flash.ops = &molt_host_flash;
    n->flash.regions = &n->region;
    n->flash.region_count = 1;
    n->store.ops = &molt_host_store;
    n->files.ops = &molt_host_files;
    n->source.ops = &molt_host_source;
    n->flash.context = n->store.context = n->files.context = n->source.context = &n->host;
    n->port.flash = &n->flash;
    n->port.store = &n->store;
    n->port.source = &n->source;
    n->port.files = mp_obj_is_true(mp_load_attr(host, MP_QSTR_has_files)) ? &n->files : NULL;
    n->port.verifier = &molt_p256_verifier;
    n->port.digest = &molt_sha256;
    n->port.buffer = n->buffer;
    n->port.by_sector = true; /* as MicroPython's partitions do, and a step is short then */
    n->port.now = attribute(host, MP_QSTR_now);
    take_slots(n);
    take_device(n);
}

static void need_code(int code)
{
    if (code < 0) {
        mp_raise_OSError(code);
    }
}

/* open(host) -> state */
static mp_obj_t mod_open(mp_obj_t host)
{
    mp_obj_t size = host_number(sizeof(struct native));
    mp_obj_t state = mp_call_function_n_kw(mp_load_global(MP_QSTR_bytearray), 1, 0, &size);
    mp_buffer_info_t memory;
    mp_get_buffer_raise(state, &memory, MP_BUFFER_WRITE);
    struct native *n = memory.buf;
    join(n, host);
    take_wish(n);
    n->port.window = n->window;
    need_code(molt_engine_start(&n->engine, &n->port));
    n->host = NULL;
    return state;
}
static MP_DEFINE_CONST_FUN_OBJ_1(open_obj, mod_open);

static struct native *state_of(mp_obj_t state)
{
    mp_buffer_info_t memory;
    mp_get_buffer_raise(state, &memory, MP_BUFFER_WRITE);
    struct native *n = memory.buf;
    if (memory.len != sizeof *n || n->magic != STATE_MAGIC || n->port.window != n->window) {
        mp_raise_ValueError("not a state of open()");
    }
    return n;
}

/* step(state, host) -> 0 go on, 1 done, -1 nothing came yet, or another error */
static mp_obj_t mod_step(mp_obj_t state, mp_obj_t host)
{
    struct native *n = state_of(state);
    if (n->running) {
        mp_raise_ValueError("left by an exception: open() again");
    }
    n->running = true;
    n->host = host;
    int code = molt_engine_step(&n->engine);
    n->host = NULL;
    n->running = false;
    return mp_obj_new_int(code);
}
static MP_DEFINE_CONST_FUN_OBJ_2(step_obj, mod_step);

/* status(state) -> (state's name, bytes done, of, error, bytes fetched, written, chunks kept,
 * written, sequence number, 0 app only 1 with files 2 files only, bytes of
 * room that the files need, bytes that can be had) */
static mp_obj_t mod_status(mp_obj_t state)
{
    const struct native *n = state_of(state);
    uint32_t done, total;
    molt_engine_progress(&n->engine, &done, &total);
    mp_obj_t items[] = {
        host_text(molt_engine_state_name((enum molt_engine_state)n->engine.state)),
        host_number(done),
        host_number(total),
        mp_obj_new_int(n->engine.error),
        host_number((uint32_t)n->engine.bytes_fetched),
        host_number((uint32_t)n->engine.bytes_written),
        host_number(n->engine.chunks_kept),
        host_number(n->engine.chunks_written),
        host_number(n->engine.manifest.sequence),
        mp_obj_new_int(!n->engine.release ? 0
                       : n->engine.app    ? 1
                                          : 2),
        host_number(n->engine.room_needed),
        host_number(n->engine.room_free),
    };
    return mp_obj_new_tuple(sizeof items / sizeof *items, items);
}
static MP_DEFINE_CONST_FUN_OBJ_1(status_obj, mod_status);

/* ---- The trial ---- */

/* A state for one call; the collector finds it through the caller's stack. */
static struct native *for_a_moment(mp_obj_t host)
{
    struct native *n = m_malloc(offsetof(struct native, window));
    memset(n, 0, offsetof(struct native, window));
    join(n, host);
    return n;
}

/* boot(host) -> 0 run the application, 1 restart, or an error */
static mp_obj_t mod_boot(mp_obj_t host)
{
    struct native *n = for_a_moment(host);
    enum molt_trial_action action = MOLT_TRIAL_RUN;
    int code = molt_trial_boot(&n->port, &action);
    m_free(n);
    return mp_obj_new_int(code < 0 ? code : (int)action);
}
static MP_DEFINE_CONST_FUN_OBJ_1(boot_obj, mod_boot);

/* confirm(host) -> 0 or an error */
static mp_obj_t mod_confirm(mp_obj_t host)
{
    struct native *n = for_a_moment(host);
    int code = molt_trial_confirm(&n->port);
    m_free(n);
    return mp_obj_new_int(code);
}
static MP_DEFINE_CONST_FUN_OBJ_1(confirm_obj, mod_confirm);

/* rollback(host) -> 0 restart now, or an error */
static mp_obj_t mod_rollback(mp_obj_t host)
{
    struct native *n = for_a_moment(host);
    int code = molt_trial_rollback(&n->port);
    m_free(n);
    return mp_obj_new_int(code);
}
static MP_DEFINE_CONST_FUN_OBJ_1(rollback_obj, mod_rollback);

/* ---- Slots ---- */

/* switch(host, slot's number) -> 0 restart now, or an error */
static mp_obj_t mod_switch(mp_obj_t host, mp_obj_t slot)
{
    struct native *n = for_a_moment(host);
    int code = molt_slot_switch(&n->port, (int)mp_obj_get_int(slot));
    m_free(n);
    return mp_obj_new_int(code);
}
static MP_DEFINE_CONST_FUN_OBJ_2(switch_obj, mod_switch);

/* image(host, slot's number) -> length of the bootable image in it, or an error */
static mp_obj_t mod_image(mp_obj_t host, mp_obj_t slot)
{
    struct native *n = for_a_moment(host);
    int code = molt_slot_image(&n->port, (int)mp_obj_get_int(slot));
    m_free(n);
    return mp_obj_new_int(code);
}
static MP_DEFINE_CONST_FUN_OBJ_2(image_obj, mod_image);

/* ---- Channels ---- */

/* The floor's time only grows: an older channel file is refused from then on. */
static int take_channel(struct native *n, const mp_buffer_info_t *file, const char *name,
                        const mp_buffer_info_t *device_id, struct molt_channel *channel)
{
    struct molt_trusted_key keys[MOLT_KEYS_MAX];
    struct molt_floor floor;
    struct molt_cose cose;
    int code = molt_keys_load(&n->store, keys);
    if (code < 0) {
        return code;
    }
    size_t count = (size_t)code;
    code = molt_floor_load(&n->store, &floor);
    if (code >= 0) {
        code = file->len > MOLT_CHANNEL_FILE_MAX
                   ? MOLT_E_CHANNEL_MALFORMED
                   : molt_cose_parse(&cose, file->buf, file->len, MOLT_CONTENT_CHANNEL, NULL);
    }
    if (code >= 0) {
        code = molt_cose_verify(&cose, keys, count, MOLT_KEY_CHANNELS, &molt_p256_verifier, NULL);
    }
    if (code >= 0) {
        code = molt_channel_parse(channel, cose.payload, (uint32_t)cose.payload_size, NULL);
    }
    bool signed_right = code >= 0;
    if (code >= 0) {
        code = molt_channel_check(channel, name, floor.newest_time, n->port.now, device_id->buf,
                                  (uint32_t)device_id->len);
    }
    if (signed_right && molt_channel_is_news(channel, code, floor.newest_time)) {
        floor.newest_time = channel->issued;
        int saved = molt_floor_save(&n->store, &floor);
        return saved < 0 ? saved : code;
    }
    return code;
}

/* channel(host, file, name, device id) -> the bundle's digest, or an error's number */
static mp_obj_t mod_channel(size_t count, const mp_obj_t *arguments)
{
    mp_buffer_info_t file, device_id;
    struct molt_channel channel;
    (void)count;
    mp_get_buffer_raise(arguments[1], &file, MP_BUFFER_READ);
    mp_get_buffer_raise(arguments[3], &device_id, MP_BUFFER_READ);
    struct native *n = for_a_moment(arguments[0]);
    int code = take_channel(n, &file, mp_obj_str_get_str(arguments[2]), &device_id, &channel);
    m_free(n);
    return code < 0 ? mp_obj_new_int(code) : mp_obj_new_bytes(channel.bundle, MOLT_SHA256_SIZE);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(channel_obj, 4, 4, mod_channel);

/* ---- Tools ---- */

/* sha256(bytes) -> digest */
static mp_obj_t mod_sha256(mp_obj_t bytes)
{
    mp_buffer_info_t data;
    uint8_t digest[MOLT_SHA256_SIZE];
    mp_get_buffer_raise(bytes, &data, MP_BUFFER_READ);
    molt_sha256_of(data.buf, data.len, digest);
    return mp_obj_new_bytes(digest, sizeof digest);
}
static MP_DEFINE_CONST_FUN_OBJ_1(sha256_obj, mod_sha256);

static const uint8_t *exactly(mp_obj_t bytes, size_t n)
{
    mp_buffer_info_t data;
    mp_get_buffer_raise(bytes, &data, MP_BUFFER_READ);
    if (data.len != n) {
        mp_raise_ValueError("wrong length");
    }
    return data.buf;
}

/* verify(public key, digest, signature) -> bool */
static mp_obj_t mod_verify(mp_obj_t key, mp_obj_t digest, mp_obj_t signature)
{
    int code = molt_p256_verifier.verify(NULL, exactly(key, MOLT_P256_PUBLIC_SIZE),
                                         exactly(digest, MOLT_SHA256_SIZE),
                                         exactly(signature, MOLT_P256_SIGNATURE_SIZE));
    return mp_obj_new_bool(code == MOLT_OK);
}
static MP_DEFINE_CONST_FUN_OBJ_3(verify_obj, mod_verify);

/* inflate(deflated, sink) -> 1 when the stream is whole, 0 when more should follow, or an error:
 * sink(bytes) gets what it holds */
static mp_obj_t mod_inflate(mp_obj_t bytes, mp_obj_t sink)
{
    mp_buffer_info_t data;
    mp_get_buffer_raise(bytes, &data, MP_BUFFER_READ);
    struct molt_inflate *inflate = m_malloc(sizeof *inflate + MOLT_INFLATE_WINDOW);
    const uint8_t *at = data.buf, *out;
    uint32_t left = (uint32_t)data.len, used, n;
    int code;
    molt_inflate_start(inflate, (uint8_t *)(inflate + 1));
    do {
        code = molt_inflate_push(inflate, at, left, &used);
        at += used;
        left -= used;
        n = molt_inflate_peek(inflate, &out);
        if (code >= 0 && n > 0) {
            mp_obj_t piece = mp_obj_new_bytes(out, n);
            mp_call_function_n_kw(sink, 1, 0, &piece);
            molt_inflate_take(inflate, n);
        }
    } while (code >= 0 && n > 0);
    m_free(inflate);
    return mp_obj_new_int(code);
}
static MP_DEFINE_CONST_FUN_OBJ_2(inflate_obj, mod_inflate);

/* The functions of the module: (name, object). */
#define MOLT_FUNCTIONS(ROW)                                                                        \
    ROW(MP_QSTR_open, open_obj)                                                                    \
    ROW(MP_QSTR_step, step_obj)                                                                    \
    ROW(MP_QSTR_status, status_obj)                                                                \
    ROW(MP_QSTR_boot, boot_obj)                                                                    \
    ROW(MP_QSTR_confirm, confirm_obj)                                                              \
    ROW(MP_QSTR_rollback, rollback_obj)                                                            \
    ROW(MP_QSTR_switch, switch_obj)                                                                \
    ROW(MP_QSTR_image, image_obj)                                                                  \
    ROW(MP_QSTR_channel, channel_obj)                                                              \
    ROW(MP_QSTR_sha256, sha256_obj)                                                                \
    ROW(MP_QSTR_verify, verify_obj)                                                                \
    ROW(MP_QSTR_inflate, inflate_obj)

#ifdef MICROPY_ENABLE_DYNRUNTIME
/* Firmware up to 1.23 frees a module's constants unless an object points at the one global in front
 * of them: mpy_init makes such an object. */
struct {
    uint32_t unused[4];
} molt_module_root;

#define STORE(name, object) mp_store_global(name, MP_OBJ_FROM_PTR(&(object)));

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args)
{
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR__root,
                    mp_obj_new_bytearray_by_ref(sizeof molt_module_root, &molt_module_root));
    mp_store_global(MP_QSTR_STATE_SIZE, host_number(sizeof(struct native)));
    MOLT_FUNCTIONS(STORE)
    MP_DYNRUNTIME_INIT_EXIT
}
#endif
