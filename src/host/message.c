#include "molt/host/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int molt_fail(struct molt_message *message, int error, const char *format, ...)
{
    if (message) {
        va_list list;
        va_start(list, format);
        vsnprintf(message->text, sizeof message->text, format, list);
        va_end(list);
        message->error = error;
    }
    return error;
}

int molt_fail_diag(struct molt_message *message, const char *thing, const struct molt_diag *diag)
{
    if (!message) {
        return diag->error;
    }
    char *text = message->text;
    size_t size = sizeof message->text;
    size_t at = (size_t)snprintf(text, size, "%s: %s", thing, molt_strerror(diag->error));
    if (diag->what && at < size) {
        at += (size_t)snprintf(text + at, size - at, ": %s", diag->what);
    }
    if (diag->offset != MOLT_DIAG_NONE && at < size) {
        at += (size_t)snprintf(text + at, size - at, " at 0x%x", diag->offset);
    }
    if (diag->has_values && at < size) {
        at += (size_t)snprintf(text + at, size - at, ", expected 0x%x, found 0x%x", diag->expected,
                               diag->found);
    }
    if (diag->cause && at < size) {
        snprintf(text + at, size - at, " (%s)", strerror(diag->cause));
    }
    message->error = diag->error;
    return diag->error;
}
