#define _DEFAULT_SOURCE /* timegm */
#include "cli/when.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"

#define DAY 86400u

uint64_t cli_now(void)
{
    uint64_t seconds;
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    if (epoch && cli_parse_size(epoch, INT64_MAX, &seconds) && seconds > 0) {
        return seconds;
    }
    return (uint64_t)time(NULL);
}

/* sscanf takes signs and blanks, so the text must come out the same again. */
static bool parse_date(const char *text, struct tm *date, bool *has_time)
{
    char again[32];
    int n = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &date->tm_year, &date->tm_mon, &date->tm_mday,
                   &date->tm_hour, &date->tm_min, &date->tm_sec);
    *has_time = n == 6;
    if (n != 3 && n != 6) {
        return false;
    }
    date->tm_year -= 1900;
    date->tm_mon -= 1;
    struct tm normal = *date;
    time_t seconds = timegm(&normal);
    return seconds > 0 &&
           strftime(again, sizeof again, *has_time ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d", &normal) &&
           strcmp(again, text) == 0;
}

bool cli_parse_when(const char *text, uint64_t now, bool end_of_day, uint64_t *seconds)
{
    struct tm date = {0};
    bool has_time;
    uint64_t days;
    if (parse_date(text, &date, &has_time)) {
        *seconds = (uint64_t)timegm(&date) + (has_time || !end_of_day ? 0 : DAY - 1);
        return true;
    }
    if (!cli_parse_size(text, 36500, &days) || days == 0 ||
        strspn(text, "0123456789") != strlen(text)) {
        return false;
    }
    *seconds = now + days * DAY;
    return true;
}

const char *cli_when(uint64_t seconds, char text[32])
{
    struct tm date;
    time_t time = (time_t)seconds;
    if (seconds > (uint64_t)INT64_MAX || !gmtime_r(&time, &date) ||
        strftime(text, 32, "%Y-%m-%d %H:%M:%S UTC", &date) == 0) {
        snprintf(text, 32, "%llu", (unsigned long long)seconds);
    }
    return text;
}
