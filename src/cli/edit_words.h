/* The words of `molt edit`'s options as steps. */
#ifndef CLI_EDIT_WORDS_H
#define CLI_EDIT_WORDS_H

#include "cli/cli.h"
#include "molt/ops/edit.h"

#define EDIT_WORDS_STEPS 128

/* Filled from the command line, in its order; texts are copied. */
struct edit_words {
    struct molt_edit_step step[EDIT_WORDS_STEPS];
    uint32_t count;
    char *text[EDIT_WORDS_STEPS]; /* what the steps' names point into; freed by edit_words_free */
    uint32_t text_count;
    struct molt_ptable *table[4]; /* of --table, owned */
    uint32_t table_count;
};

/* CLI_OK, CLI_USAGE (said already), or CLI_FAILED with the message. */
int edit_words_parse(struct edit_words *words, const struct cli_args *args,
                     struct molt_message *message);
void edit_words_free(struct edit_words *words);

#endif
