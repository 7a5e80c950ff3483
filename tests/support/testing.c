#include "testing.h"

#include <stdlib.h>

uint32_t testing_fault_step(void)
{
    const char *text = getenv("MOLT_FAULT_EVERY");
    long step = text ? strtol(text, NULL, 10) : 1;
    return step > 1 ? (uint32_t)step : 1;
}
