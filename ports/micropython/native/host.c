/* The host's methods behind the engine's interfaces; docs/PORTING.md lists what each gets and
 * gives. */
#include "micropython/native/host.h"

#include <string.h>

/* context: where the caller keeps the host. */
static mp_obj_t call(const void *context, qstr method, size_t count, const mp_obj_t *arguments)
{
    const mp_obj_t *host = context;
    mp_obj_t words[2 + 4];
    mp_load_method(*host, method, words);
    for (size_t i = 0; i < count; i++) {
        words[2 + i] = arguments[i];
    }
    return mp_call_method_n_kw(count, 0, words);
}

static int code_of(mp_obj_t result)
{
    return result == mp_const_none ? MOLT_OK : (int)mp_obj_get_int(result);
}

/* Methods only read what is const here. */
static mp_obj_t bytes_at(const void *bytes, uint32_t n)
{
    return mp_obj_new_bytearray_by_ref(n, (void *)(uintptr_t)bytes);
}

/* A count that a method returned must lie in what it was asked for. */
static int count_of(mp_obj_t result, uint32_t most)
{
    int count = code_of(result);
    return count > 0 && (uint32_t)count > most ? MOLT_E_IO : count;
}

static int flash_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    mp_obj_t words[] = {host_number(offset), bytes_at(buffer, n)};
    return code_of(call(context, MP_QSTR_flash_read, 2, words));
}

static int flash_program(void *context, uint32_t offset, const void *data, uint32_t n)
{
    mp_obj_t words[] = {host_number(offset), bytes_at(data, n)};
    return code_of(call(context, MP_QSTR_flash_program, 2, words));
}

static int flash_erase(void *context, uint32_t offset, uint32_t n)
{
    mp_obj_t words[] = {host_number(offset), host_number(n)};
    return code_of(call(context, MP_QSTR_flash_erase, 2, words));
}

const struct molt_flash_ops molt_host_flash = {flash_read, flash_program, flash_erase, NULL};

/* Method get(record): bytes, or None. */
static int store_get(void *context, int record, void *buffer, uint32_t capacity)
{
    mp_obj_t word = host_number((uint32_t)record);
    mp_obj_t result = call(context, MP_QSTR_store_get, 1, &word);
    mp_buffer_info_t data;
    if (result == mp_const_none) {
        return MOLT_E_NOT_FOUND;
    }
    mp_get_buffer_raise(result, &data, MP_BUFFER_READ);
    memcpy(buffer, data.buf, data.len < capacity ? data.len : capacity);
    return (int)data.len;
}

static int store_put(void *context, int record, const void *data, uint32_t n)
{
    mp_obj_t words[] = {host_number((uint32_t)record), mp_obj_new_bytes(data, n)};
    return code_of(call(context, MP_QSTR_store_put, 2, words));
}

const struct molt_store_ops molt_host_store = {store_get, store_put};

static int source_info(void *context, struct molt_source_info *info)
{
    int length = code_of(call(context, MP_QSTR_source_info, 0, NULL));
    info->length = length > 0 ? (uint32_t)length : 0;
    return length < 0 ? length : MOLT_OK;
}

static int source_expect(void *context, uint32_t offset, uint32_t n)
{
    mp_obj_t words[] = {host_number(offset), host_number(n)};
    return code_of(call(context, MP_QSTR_source_expect, 2, words));
}

/* None: nothing came yet. */
static int source_read(void *context, uint32_t offset, void *buffer, uint32_t n)
{
    mp_obj_t words[] = {host_number(offset), bytes_at(buffer, n)};
    mp_obj_t result = call(context, MP_QSTR_source_read, 2, words);
    return result == mp_const_none ? MOLT_AGAIN : count_of(result, n);
}

static int source_report(void *context, int state, const char *what)
{
    mp_obj_t words[] = {mp_obj_new_int(state), host_text(what)};
    return code_of(call(context, MP_QSTR_source_report, 2, words));
}

const struct molt_source_ops molt_host_source = {source_info, source_expect, source_read,
                                                 source_report};

/* None: not there; -1: a directory; else the file's size. */
static int files_stat(void *context, const char *path, uint32_t *size)
{
    mp_obj_t word = host_text(path);
    mp_obj_t result = call(context, MP_QSTR_file_stat, 1, &word);
    if (result == mp_const_none) {
        return MOLT_E_NOT_FOUND;
    }
    mp_int_t found = mp_obj_get_int(result);
    *size = found < 0 ? 0 : (uint32_t)found;
    return found < 0 ? MOLT_DIRECTORY : MOLT_FILE;
}

static int files_read(void *context, const char *path, uint32_t offset, void *buffer, uint32_t n)
{
    mp_obj_t words[] = {host_text(path), host_number(offset), bytes_at(buffer, n)};
    return count_of(call(context, MP_QSTR_file_read, 3, words), n);
}

static int files_write(void *context, const char *path, uint32_t offset, const void *data,
                       uint32_t n)
{
    mp_obj_t words[] = {host_text(path), host_number(offset), bytes_at(data, n)};
    return code_of(call(context, MP_QSTR_file_write, 3, words));
}

static int files_mkdir(void *context, const char *path)
{
    mp_obj_t word = host_text(path);
    return code_of(call(context, MP_QSTR_file_mkdir, 1, &word));
}

static int files_prune(void *context, const char *path)
{
    mp_obj_t word = host_text(path);
    return code_of(call(context, MP_QSTR_file_remove, 1, &word));
}

static int files_measure(void *context, const char *path, uint32_t *bytes)
{
    mp_obj_t word = host_text(path);
    int size = code_of(call(context, MP_QSTR_file_size, 1, &word));
    *bytes += size > 0 ? (uint32_t)size : 0;
    return MOLT_OK;
}

/* Entry number index: its name, or None behind the last. */
static int files_list(void *context, const char *path, uint32_t index, char *name,
                      uint32_t capacity)
{
    mp_obj_t words[] = {host_text(path), host_number(index)};
    mp_obj_t result = call(context, MP_QSTR_file_list, 2, words);
    size_t n;
    if (result == mp_const_none) {
        return 0;
    }
    const char *found = mp_obj_str_get_data(result, &n);
    n = n < capacity ? n : capacity - 1;
    memcpy(name, found, n);
    name[n] = '\0';
    return 1;
}

static int files_space(void *context, uint32_t *free_bytes)
{
    int space = code_of(call(context, MP_QSTR_file_space, 0, NULL));
    *free_bytes = space > 0 ? (uint32_t)space : 0;
    return space < 0 ? space : MOLT_OK;
}

const struct molt_files_ops molt_host_files = {files_stat,    files_read, files_write, files_mkdir,
                                               NULL,          NULL,       files_list,  files_space,
                                               files_measure, files_prune};
