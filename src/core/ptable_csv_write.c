#include "core/ptable_text.h"
#include "molt/ptable_csv.h"

/* Text that is appended; length runs on when it is full, so that one check at the end is enough. */
struct text {
    char *at;
    uint32_t length, capacity;
};

static void put(struct text *text, char c)
{
    if (text->length < text->capacity) {
        text->at[text->length] = c;
    }
    text->length++;
}

static void put_words(struct text *text, const char *words)
{
    while (*words) {
        put(text, *words++);
    }
}

static void put_hex(struct text *text, uint32_t number)
{
    uint32_t shift = 28;
    put_words(text, "0x");
    while (shift && !(number >> shift)) {
        shift -= 4;
    }
    for (;; shift -= 4) {
        put(text, "0123456789abcdef"[number >> shift & 15]);
        if (shift == 0) {
            return;
        }
    }
}

static void put_decimal(struct text *text, uint32_t number)
{
    uint32_t unit = 1;
    while (number / unit >= 10) {
        unit *= 10;
    }
    for (; unit; unit /= 10) {
        put(text, (char)('0' + number / unit % 10));
    }
}

static void put_size(struct text *text, uint32_t size)
{
    if (size % (1u << 20) == 0) {
        put_decimal(text, size >> 20);
        put(text, 'M');
    } else if (size % (1u << 10) == 0) {
        put_decimal(text, size >> 10);
        put(text, 'K');
    } else {
        put_hex(text, size);
    }
}

static void put_kind(struct text *text, const struct molt_partition *row)
{
    const char *type = molt_partition_type_name(row->type);
    const char *subtype = molt_partition_subtype_name(row->type, row->subtype);
    if (row->type == MOLT_PARTITION_DATA && row->subtype == MOLT_DATA_ROMFS) {
        subtype = (const char *)0; /* ESP-IDF's tool has no word for it */
    }
    if (type) {
        put_words(text, type);
    } else {
        put_decimal(text, row->type);
    }
    put(text, ',');
    if (subtype) {
        put_words(text, subtype);
    } else {
        put_decimal(text, row->subtype);
    }
}

static void put_row(struct text *text, const struct molt_partition *row)
{
    static const char flags[4][20] = {"", "encrypted", "readonly", "encrypted:readonly"};
    put_words(text, row->label);
    put(text, ',');
    put_kind(text, row);
    put(text, ',');
    put_hex(text, row->offset);
    put(text, ',');
    put_size(text, row->size);
    put(text, ',');
    put_words(text, flags[row->flags & 3]);
    put(text, '\n');
}

int molt_ptable_to_csv(const struct molt_ptable *table, char *to, uint32_t capacity,
                       struct molt_diag *diag)
{
    struct text text = {to, 0, capacity};
    put_words(&text, "# ESP-IDF Partition Table\n# Name, Type, SubType, Offset, Size, Flags\n");
    for (uint32_t i = 0; i < table->count; i++) {
        const struct molt_partition *row = &table->row[i];
        uint32_t n = 0;
        while (n <= MOLT_PARTITION_LABEL && row->label[n]) {
            n++;
        }
        const char *fault = molt_csv_name_fault(row->label, n);
        if (fault) {
            return molt_diag_at(diag, MOLT_E_TABLE_NAME, fault, i);
        }
        if (row->flags > 3) {
            return molt_diag_values(diag, MOLT_E_TABLE_ROW, "flags that have no word", i, 3,
                                    row->flags);
        }
        put_row(&text, row);
    }
    if (text.length > capacity) {
        return molt_diag_values(diag, MOLT_E_NO_SPACE, "text", MOLT_DIAG_NONE, text.length,
                                capacity);
    }
    return (int)text.length;
}
