/* One JSON document, written as it goes: two spaces of indent, keys in the order of the calls. */
#ifndef MOLT_CLI_JSON_H
#define MOLT_CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* No name here may be one of libjansson, which other files of the command use. */
struct json_out {
    FILE *out;
    unsigned depth;
    bool some; /* the object or list that is open has an entry already */
};

/* key NULL: inside of a list, or the document itself. bracket '{' or '['. */
void json_open(struct json_out *json, const char *key, char bracket);
void json_close(struct json_out *json, char bracket); /* '}' or ']' */

/* NULL gives null. Bytes that are no UTF-8 become U+FFFD. */
void json_text(struct json_out *json, const char *key, const char *text);
void json_number(struct json_out *json, const char *key, int64_t number);
void json_fraction(struct json_out *json, const char *key, double number);
void json_bool(struct json_out *json, const char *key, bool value);
void json_nothing(struct json_out *json, const char *key);

/* Length of the UTF-8 sequence of two bytes or more at p, which ends with NUL; 0 when it is none.
 */
unsigned json_sequence(const unsigned char *p);

#endif
