#include "molt/error.h"

int molt_diag_values(struct molt_diag *diag, int error, const char *what, uint32_t offset,
                     uint32_t expected, uint32_t found)
{
    molt_diag_at(diag, error, what, offset);
    if (diag) {
        diag->expected = expected;
        diag->found = found;
        diag->has_values = 1;
    }
    return error;
}

int molt_diag_at(struct molt_diag *diag, int error, const char *what, uint32_t offset)
{
    if (diag) {
        diag->error = error;
        diag->what = what;
        diag->offset = offset;
        diag->expected = 0;
        diag->found = 0;
        diag->has_values = 0;
        diag->cause = 0;
    }
    return error;
}
