#include "vectors.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const files[] = {"bootloader-idf504.json", "bootloader-esp32c3-idf504.json",
                                    "bootloader-esp32c3-idf443-norollback.json"};
enum { FILES = sizeof files / sizeof files[0] };

static void die(const char *what, const char *where)
{
    fprintf(stderr, "%s: %s\n", where, what);
    exit(1);
}

static json_t *load(const char *data, int i)
{
    char path[1000];
    json_error_t error;
    snprintf(path, sizeof path, "%s/vectors/bootloader/%s", data, files[i]);
    json_t *root = json_load_file(path, 0, &error);
    if (!root) {
        die(error.text, path);
    }
    return root;
}

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    if (!value) {
        die("text missing", key);
    }
    return value;
}

static void records(const json_t *pair, uint8_t bytes[2][32])
{
    for (size_t i = 0; i < 2; i++) {
        const char *hex = json_string_value(json_array_get(pair, i));
        if (!hex || strlen(hex) != 64) {
            die("not 32 bytes of hex", "otadata");
        }
        for (size_t k = 0; k < 32; k++) {
            char two[3] = {hex[2 * k], hex[2 * k + 1], 0};
            bytes[i][k] = (uint8_t)strtoul(two, NULL, 16);
        }
    }
}

static bool loads(const json_t *slot_content, const char *label)
{
    const char *content = json_string_value(json_object_get(slot_content, label));
    return !content || strcmp(content, "good") == 0;
}

static void facts(struct vector *v, const json_t *root, const json_t *entry)
{
    const json_t *content = json_object_get(entry, "slot_content");
    const json_t *layout = json_object_get(json_object_get(root, "layouts"), v->layout);
    const json_t *row;
    size_t i;
    if (!layout) {
        die("no such layout", v->layout);
    }
    v->flash_mb = (uint32_t)json_integer_value(json_object_get(layout, "flash_mb"));
    json_array_foreach(json_object_get(layout, "rows"), i, row)
    {
        long long type = json_integer_value(json_object_get(row, "type"));
        long long subtype = json_integer_value(json_object_get(row, "subtype"));
        const char *label = text(row, "label");
        const char *word = json_string_value(json_object_get(content, label));
        if (v->row_count == VECTORS_ROWS) {
            die("too many rows", v->layout);
        }
        v->row[v->row_count++] =
            (struct vector_row){label,
                                (uint8_t)type,
                                (uint8_t)subtype,
                                (uint32_t)json_integer_value(json_object_get(row, "offset")),
                                (uint32_t)json_integer_value(json_object_get(row, "size")),
                                word ? word : "good"};
        if (type == 1 && subtype == 0) {
            v->has_otadata = true;
            v->whole_otadata = json_integer_value(json_object_get(row, "size")) >= 0x2000;
        } else if (type == 0 && subtype == 0) {
            v->world.has_factory = true;
            v->world.factory_loads = loads(content, label);
        } else if (type == 0 && subtype >= 0x10 && subtype < 0x20) {
            v->world.slots++;
            if (loads(content, label)) {
                v->world.loads |= 1u << (subtype - 0x10);
            }
        } else if (type == 0 && subtype == 0x20) {
            v->world.has_test = loads(content, label);
        }
    }
    /* ota_0 and ota_2 count as two: the bootloader never gets to number 2. */
    v->world.loads &= (1u << v->world.slots) - 1u;
}

static int slot_of_label(const char *label)
{
    return strcmp(label, "factory") == 0    ? REF_FACTORY
           : strcmp(label, "test") == 0     ? REF_TEST
           : strncmp(label, "ota_", 4) == 0 ? atoi(label + 4)
                                            : VECTORS_NO_SLOT;
}

static struct vector start(int file, const json_t *root, const json_t *entry)
{
    struct vector v = {.file = files[file], .id = text(entry, "id")};
    v.layout = text(entry, "layout");
    v.world.rollback = strstr(files[file], "norollback") == NULL;
    facts(&v, root, entry);
    records(json_object_get(entry, "otadata_before"), v.before);
    return v;
}

static void finish(struct vector *v)
{
    for (int i = 0; i < 2; i++) {
        v->world.record[i] = ref_parse(v->before[i]);
    }
}

int vectors_cases(const char *data, void (*visit)(const struct vector *vector, void *context),
                  void *context)
{
    int count = 0;
    for (int f = 0; f < FILES; f++) {
        json_t *root = load(data, f), *entry;
        size_t i;
        json_array_foreach(json_object_get(root, "cases"), i, entry)
        {
            struct vector v = start(f, root, entry);
            v.kind = text(entry, "kind");
            v.running = slot_of_label(text(entry, "running"));
            records(json_object_get(entry, "otadata_after"), v.after);
            finish(&v);
            visit(&v, context);
            count++;
        }
        json_decref(root);
    }
    return count;
}

int vectors_steps(const char *data, void (*visit)(const struct vector *vector, void *context),
                  void *context)
{
    int count = 0;
    for (int f = 0; f < FILES; f++) {
        json_t *root = load(data, f), *entry, *step;
        size_t i, k;
        json_array_foreach(json_object_get(root, "sequences"), i, entry)
        {
            struct vector v = start(f, root, entry);
            v.kind = "sequence";
            json_array_foreach(json_object_get(entry, "steps"), k, step)
            {
                v.step = text(step, "do");
                v.running = slot_of_label(text(step, "running"));
                records(json_object_get(step, "otadata"), v.after);
                finish(&v);
                visit(&v, context);
                memcpy(v.before, v.after, sizeof v.before);
            }
            count++;
        }
        json_decref(root);
    }
    return count;
}
