/* Points in time on the command line. */
#ifndef MOLT_CLI_WHEN_H
#define MOLT_CLI_WHEN_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds since 1970 UTC; SOURCE_DATE_EPOCH (reproducible-builds.org) when it is set. */
uint64_t cli_now(void);

/* "30" (days from now), "2027-01-31" (its last second, or its first), "2027-01-31T12:00:00Z". */
bool cli_parse_when(const char *text, uint64_t now, bool end_of_day, uint64_t *seconds);

/* "2027-01-31 12:00:00 UTC" into the caller's 32 bytes. */
const char *cli_when(uint64_t seconds, char text[32]);

#endif
