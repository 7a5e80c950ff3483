/* What is wrong with a file system: its place first, then all that it holds. */
#define _POSIX_C_SOURCE 200809L /* strdup */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/fs/fs_internal.h"

struct book {
    struct molt_fsops_findings *findings;
    bool no_memory;
};

static void complain(void *context, const char *path, const char *text)
{
    struct book *book = context;
    struct molt_fsops_findings *findings = book->findings;
    findings->found++;
    if (findings->count == MOLT_FSOPS_FINDINGS) {
        return;
    }
    size_t n = strlen(path) + strlen(text) + 8;
    char *line = malloc(n);
    if (!line) {
        book->no_memory = true;
        return;
    }
    snprintf(line, n, *path ? "'%s': %s" : "%s%s", path, text);
    findings->text[findings->count++] = line;
}

static void check_place(const struct molt_fsops *session, struct book *book)
{
    const struct molt_fs_facts *facts = &session->facts;
    char text[800];
    uint64_t has = (uint64_t)facts->block_size * facts->block_count;
    bool smaller =
        facts->block_size && has < session->place.size - session->place.size % facts->block_size;
    if (has > session->place.size) {
        snprintf(text, sizeof text,
                 "%s takes %llu bytes by its superblock, %s has %u: it was made for a larger "
                 "partition, or the partition became smaller",
                 facts->variant, (unsigned long long)has, session->place.label,
                 session->place.size);
        complain(book, "", text);
    } else if (session->damaged) {
        snprintf(text, sizeof text, "cannot be mounted: %s", session->trouble);
        complain(book, "", text);
    } else if (smaller && facts->kind == MOLT_FS_LITTLEFS) {
        snprintf(text, sizeof text,
                 "takes %llu bytes by its superblock, %s has %u: newer MicroPython does not mount "
                 "it so, "
                 "'molt fs grow' mends it",
                 (unsigned long long)has, session->place.label, session->place.size);
        complain(book, "", text);
    }
}

int molt_fsops_check(struct molt_fsops *session, struct molt_fsops_findings *findings,
                     struct molt_message *message)
{
    struct book book = {.findings = findings};
    *findings = (struct molt_fsops_findings){0};
    check_place(session, &book);
    int error = session->fs ? molt_fs_check(session->fs, complain, &book) : MOLT_OK;
    if (error < 0) {
        return molt_fail(message, error, "%s: %s cannot be checked: %s", session->target->name,
                         session->place.label, molt_strerror(error));
    }
    return book.no_memory ? molt_fail(message, MOLT_E_NO_MEMORY, "out of memory") : MOLT_OK;
}

void molt_fsops_findings_free(struct molt_fsops_findings *findings)
{
    for (uint32_t i = 0; i < findings->count; i++) {
        free(findings->text[i]);
    }
    *findings = (struct molt_fsops_findings){0};
}
