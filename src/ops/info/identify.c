#define _POSIX_C_SOURCE 200809L /* O_CLOEXEC */
#include "molt/ops/identify.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "molt/dfufile.h"
#include "molt/host/file.h"
#include "molt/manifest.h"
#include "ops/info/identify_internal.h"

#define HEAD  0x2000u      /* enough to tell; otadata is whole with it */
#define LIMIT (256u << 20) /* a UF2 file of 128 MB of flash */

const char *molt_identity_name(enum molt_identity_kind kind)
{
    static const char *const names[] = {"flash",          "partition table CSV",
                                        "otadata",        "RP2 flash image",
                                        "UF2 file",       "bundle",
                                        "DFU file",       "ELF program",
                                        "Intel HEX file", "ESP8266 image"};
    return names[kind];
}

/* ---- Facts ---- */

static struct molt_fact *add(struct molt_identity *identity, const char *key, const char *label,
                             enum molt_fact_type type)
{
    /* Rows are counted before they begin, and the facts of a file are few: there is room. */
    if (identity->fact_count == MOLT_IDENTITY_FACTS) {
        identity->fact_count--;
    }
    struct molt_fact *fact = &identity->fact[identity->fact_count++];
    *fact = (struct molt_fact){.key = key, .label = label, .type = type, .list = -1};
    if (identity->list_count) {
        fact->list = (int)identity->list_count - 1;
        fact->row = identity->list[fact->list].row_count - 1;
    }
    return fact;
}

void identify_text(struct molt_identity *identity, const char *key, const char *label,
                   const char *format, ...)
{
    struct molt_fact *fact = add(identity, key, label, MOLT_FACT_TEXT);
    va_list list;
    va_start(list, format);
    vsnprintf(fact->text, sizeof fact->text, format, list);
    va_end(list);
    molt_info_plain(fact->text);
}

void identify_number(struct molt_identity *identity, const char *key, const char *label,
                     enum molt_fact_type type, uint64_t number)
{
    add(identity, key, label, type)->number = number;
}

void identify_nothing(struct molt_identity *identity, const char *key)
{
    add(identity, key, NULL, MOLT_FACT_NOTHING);
}

void identify_known(struct molt_identity *identity, const char *key, const char *label,
                    const char *text)
{
    if (text[0]) {
        identify_text(identity, key, label, "%s", text);
    } else {
        identify_nothing(identity, key);
    }
}

int identify_list(struct molt_identity *identity, const char *key, const char *title)
{
    if (identity->list_count == MOLT_IDENTITY_LISTS) {
        return -1;
    }
    identity->list[identity->list_count] = (struct molt_fact_list){key, title, 0};
    return (int)identity->list_count++;
}

bool identify_row(struct molt_identity *identity, const char *what)
{
    struct molt_fact_list *list = &identity->list[identity->list_count - 1];
    if (MOLT_IDENTITY_FACTS - identity->fact_count < 12) {
        identify_finding(identity, MOLT_ODD, "there are more %s than are shown", what);
        return false;
    }
    list->row_count++;
    return true;
}

void identify_finding(struct molt_identity *identity, enum molt_severity severity,
                      const char *format, ...)
{
    va_list list;
    va_start(list, format);
    identity->wrong |= severity == MOLT_WRONG;
    molt_finding_add(identity->finding, &identity->finding_count, MOLT_IDENTITY_FINDINGS, severity,
                     format, list);
    va_end(list);
}

void identify_micropython(struct molt_identity *identity, const uint8_t *bytes, uint32_t n)
{
    char version[48], date[16];
    molt_info_find_version(bytes, n, version, date);
    identify_known(identity, "micropython", "MicroPython", version);
    identify_known(identity, "micropython_date", "built", date);
}

/* ---- Telling ---- */

struct head {
    uint8_t bytes[HEAD], tail[MOLT_DFU_SUFFIX_SIZE];
    uint32_t n;
    uint64_t size;
};

/* False where molt_target_open has to say what is the matter. */
static bool read_head(struct head *head, const char *name)
{
    struct stat status;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool read = false;
    if (fd < 0) {
        return false;
    }
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 &&
        status.st_size <= LIMIT) {
        head->size = (uint64_t)status.st_size;
        head->n = head->size < HEAD ? (uint32_t)head->size : HEAD;
        uint32_t tail = sizeof head->tail < head->n ? (uint32_t)sizeof head->tail : head->n;
        read = molt_file_read_open(fd, name, head->bytes, head->n, NULL) == MOLT_OK &&
               lseek(fd, status.st_size - (off_t)tail, SEEK_SET) >= 0 &&
               molt_file_read_open(fd, name, head->tail + sizeof head->tail - tail, tail, NULL) ==
                   MOLT_OK;
    }
    close(fd);
    return read;
}

typedef int (*reader)(struct molt_identity *identity, const struct identify_file *file,
                      struct molt_message *message);

static reader choose(const struct head *head)
{
    static const struct {
        const char *magic;
        size_t n;
        reader read;
    } magics[] = {{"UF2\n", 4, identify_uf2},
                  {MOLT_BUNDLE_MAGIC, 8, identify_bundle},
                  {"DfuSe", 5, identify_dfu},
                  {"\x7F"
                   "ELF",
                   4, identify_elf},
                  {":", 1, identify_hex}};
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
        if (head->n >= magics[i].n && memcmp(head->bytes, magics[i].magic, magics[i].n) == 0) {
            return magics[i].read;
        }
    }
    if (head->size == HEAD && identify_is_otadata(head->bytes, HEAD)) {
        return identify_otadata;
    }
    if (identify_is_esp8266(head->bytes, head->n)) {
        return identify_esp8266;
    }
    if (identify_rp2_chip(head->bytes, head->n)) {
        return identify_rp2;
    }
    if (head->size >= MOLT_DFU_SUFFIX_SIZE && memcmp(head->tail + 8, "UFD\x10", 4) == 0) {
        return identify_dfu;
    }
    return identify_is_csv(head->bytes, head->n) ? identify_csv : NULL;
}

int identify_bytes(struct molt_identity *identity, const struct identify_file *file,
                   struct molt_message *message)
{
    struct head head = {.n = file->size < HEAD ? file->size : HEAD, .size = file->size};
    uint32_t tail = file->size < sizeof head.tail ? file->size : (uint32_t)sizeof head.tail;
    memset(identity, 0, sizeof *identity);
    identity->file_size = file->size;
    memcpy(head.bytes, file->bytes, head.n);
    memcpy(head.tail + sizeof head.tail - tail, file->bytes + file->size - tail, tail);
    reader read = choose(&head);
    return read ? read(identity, file, message) : MOLT_OK;
}

int molt_identify(struct molt_identity *identity, const char *name, struct molt_message *message)
{
    memset(identity, 0, sizeof *identity);
    struct head *head = malloc(sizeof *head);
    if (!head) {
        return molt_fail(message, MOLT_E_NO_MEMORY, "out of memory");
    }
    bool board = strncmp(name, "sim:", 4) == 0;
    reader read = !board && read_head(head, name) ? choose(head) : NULL;
    free(head);
    if (!read) {
        return MOLT_OK;
    }
    uint8_t *bytes;
    size_t n;
    int error = molt_file_read(name, LIMIT, &bytes, &n, message);
    if (!error) {
        const struct identify_file file = {name, bytes, (uint32_t)n};
        error = identify_bytes(identity, &file, message);
        free(bytes);
    }
    return error;
}
