#include "proxy/archive/tar_reader.h"

#include <stdlib.h>

enum tar_state {
    TS_HEADER,  /* a block comes, with a header or of the end */
    TS_RECORDS, /* what follows a TAR_PAX or a long name is gathered */
    TS_SKIP,    /* what follows a TAR_GLOBAL is overlooked */
    TS_CONTENT,
    TS_END,
    TS_ERROR,
};

struct tar_reader {
    enum tar_state state;
    char block[TAR_BLOCK];
    size_t have;   /* bytes of it */
    uint64_t left; /* of content or records */
    size_t skip;   /* NULs behind them */
    struct strbuf records;
    enum tar_kind gathers; /* what they are */
    struct strbuf kept;    /* those that are passed on with the entry */
    struct tar_entry entry;
    bool is_ahead; /* the last header was about the next one */
    /* what is known of the entry that follows */
    struct tar_ahead {
        bool has_name, has_link, has_size;
        char name[LIMIT_TAR_NAME + 1], link[LIMIT_TAR_NAME + 1];
        uint64_t size;
    } ahead;
    const char *error;
};

struct tar_reader *tar_reader_new(void)
{
    struct tar_reader *reader = xcalloc(1, sizeof(*reader));

    reader->records = (struct strbuf)STRBUF(LIMIT_TAR_PAX);
    reader->kept = (struct strbuf)STRBUF(LIMIT_TAR_PAX);
    return reader;
}

struct tar_reader *tar_reader_free(struct tar_reader *reader)
{
    if (reader) {
        strbuf_fini(&reader->records);
        strbuf_fini(&reader->kept);
    }
    free(reader);
    return NULL;
}

const struct tar_entry *tar_reader_entry(const struct tar_reader *reader)
{
    return &reader->entry;
}

const char *tar_reader_error(const struct tar_reader *reader)
{
    return reader->error;
}

static enum tar_event reader_fail(struct tar_reader *reader, const char *why)
{
    reader->state = TS_ERROR;
    reader->error = why;
    return TAR_ERROR;
}

/* ---- records ---- */

/* ALL is the record as it is. */
static bool take_record(struct tar_reader *reader, struct str all,
                        struct str key, struct str value)
{
    struct tar_ahead *ahead = &reader->ahead;

    if (str_eq(key, S("path")))
        return ahead->has_name = tar_set_name(ahead->name, value);
    if (str_eq(key, S("linkpath")))
        return ahead->has_link = tar_set_name(ahead->link, value);
    if (str_eq(key, S("size")))
        return ahead->has_size = str_to_u64(value, &ahead->size) == 0 &&
                                 ahead->size <= INT64_MAX;
    if (str_eq(key, S("hdrcharset")))
        return str_eq(value, S("ISO-IR 10646 2000 UTF-8"));
    return key.len && str_find(key, '\0') < 0 &&
           !str_has_prefix(key, S("GNU.sparse.")) &&
           strbuf_add(&reader->kept, all) == 0;
}

/* "LEN KEY=VALUE\n" one after the other. */
static bool take_records(struct tar_reader *reader, struct str records)
{
    struct str digits, rest, key, value;
    uint64_t len;

    while (records.len) {
        if (!str_cut(records, ' ', &digits, &rest) ||
            str_to_u64(digits, &len) != 0 || len > records.len ||
            len < digits.len + 3 || records.ptr[len - 1] != '\n')
            return false;
        rest = str_head(rest, len - digits.len - 2);
        if (!str_cut(rest, '=', &key, &value) ||
            !take_record(reader, str_head(records, len), key, value))
            return false;
        records = str_from_index(records, len);
    }
    return true;
}

static bool take_gathered(struct tar_reader *reader)
{
    struct tar_ahead *ahead = &reader->ahead;
    struct str all = strbuf_str(&reader->records), name, rest;

    if (reader->gathers == TAR_PAX)
        return take_records(reader, all);
    str_cut(all, '\0', &name, &rest); /* GNU ends them with one */
    if (reader->gathers == TAR_LONG_NAME)
        return ahead->has_name = tar_set_name(ahead->name, name);
    return ahead->has_link = tar_set_name(ahead->link, name);
}

/* ---- headers ---- */

static void apply_ahead(struct tar_reader *reader)
{
    const struct tar_ahead *ahead = &reader->ahead;
    struct tar_entry *entry = &reader->entry;

    if (ahead->has_name)
        memcpy(entry->name, ahead->name, sizeof(entry->name));
    if (ahead->has_link)
        memcpy(entry->link, ahead->link, sizeof(entry->link));
    if (ahead->has_size && entry->kind == TAR_FILE)
        entry->size = ahead->size;
    entry->records = strbuf_str(&reader->kept);
    reader->ahead = (struct tar_ahead){0};
}

static enum tar_event read_header(struct tar_reader *reader)
{
    struct tar_entry *entry = &reader->entry;
    const char *why;

    reader->have = 0;
    if (tar_block_is_end(reader->block)) {
        reader->state = TS_END;
        return TAR_END;
    }
    if (tar_entry_read(reader->block, entry, &why))
        return reader_fail(reader, why);
    reader->left = entry->size;
    reader->skip = tar_padding(entry->size);
    if (entry->kind == TAR_GLOBAL) {
        reader->state = TS_SKIP;
        return TAR_MORE;
    }
    if (!reader->is_ahead)
        strbuf_clear(&reader->kept);
    reader->is_ahead = entry->kind == TAR_PAX || entry->kind == TAR_LONG_NAME ||
                       entry->kind == TAR_LONG_LINK;
    if (reader->is_ahead) {
        if (entry->size > LIMIT_TAR_PAX)
            return reader_fail(reader, "what it says about one file is too "
                                       "long");
        reader->gathers = entry->kind;
        strbuf_clear(&reader->records);
        reader->state = TS_RECORDS;
        return TAR_MORE;
    }
    apply_ahead(reader);
    reader->left = entry->size;
    reader->skip = tar_padding(entry->size);
    reader->state = TS_CONTENT;
    return TAR_ENTRY;
}

/* ---- bytes ---- */

static struct str take_left(struct tar_reader *reader, struct str *in)
{
    struct str part =
        reader->left < in->len ? str_head(*in, (size_t)reader->left) : *in;

    *in = str_from_index(*in, part.len);
    reader->left -= part.len;
    return part;
}

static bool skip_padding(struct tar_reader *reader, struct str *in)
{
    size_t skip = reader->skip < in->len ? reader->skip : in->len;

    *in = str_from_index(*in, skip);
    reader->skip -= skip;
    return reader->skip == 0;
}

/* One step; TAR_MORE with something left in *IN means: another one. */
static enum tar_event tar_reader_step(struct tar_reader *reader, struct str *in,
                                      struct str *data)
{
    struct str part;

    switch (reader->state) {
    case TS_HEADER:
        part = str_head(*in, TAR_BLOCK - reader->have);
        if (part.len)
            memcpy(reader->block + reader->have, part.ptr, part.len);
        reader->have += part.len;
        *in = str_from_index(*in, part.len);
        return reader->have == TAR_BLOCK ? read_header(reader) : TAR_MORE;
    case TS_RECORDS:
        strbuf_add(&reader->records, take_left(reader, in));
        if (reader->left || !skip_padding(reader, in))
            return TAR_MORE;
        reader->state = TS_HEADER;
        return take_gathered(reader)
                   ? TAR_MORE
                   : reader_fail(reader, "what it says about one file cannot "
                                         "be understood");
    case TS_SKIP:
        take_left(reader, in);
        if (reader->left == 0 && skip_padding(reader, in))
            reader->state = TS_HEADER;
        return TAR_MORE;
    case TS_CONTENT:
        if (reader->left == 0) {
            if (!skip_padding(reader, in))
                return TAR_MORE;
            reader->state = TS_HEADER;
            return TAR_DONE;
        }
        if (in->len == 0)
            return TAR_MORE;
        *data = take_left(reader, in);
        return TAR_CONTENT;
    case TS_END:
        *in = S("");
        return TAR_MORE;
    case TS_ERROR:
        break;
    }
    return TAR_ERROR;
}

enum tar_event tar_reader_next(struct tar_reader *reader, struct str *in,
                               struct str *data)
{
    enum tar_event event;

    do
        event = tar_reader_step(reader, in, data);
    while (event == TAR_MORE && in->len);
    return event;
}

bool tar_reader_eof(struct tar_reader *reader)
{
    if (reader->state == TS_END)
        return true;
    if (reader->state == TS_HEADER && reader->have == 0 && !reader->is_ahead)
        return true; /* some write no end */
    if (reader->state != TS_ERROR)
        reader_fail(reader, "it is cut short");
    return false;
}
