#include "proxy/files/file_wire.h"

#include <assert.h>
#include <errno.h>

enum field {
    END,
    NUMBER,
    STATUS,
    FLAGS,
    PATH,     /* entry.path alone, which is good */
    ANY_PATH, /* the same or "" */
    ENTRY,
    BEFORE,
    DATA, /* all that is left, at least a byte */
};

static const struct {
    enum field fields[4];
} shapes[FILE_MSG_TYPES] = {
    [FILE_MSG_HELLO] = {{NUMBER}},
    [FILE_MSG_FAILED] = {{NUMBER, DATA}},
    [FILE_MSG_MOUNT] = {{ANY_PATH}},
    [FILE_MSG_LIST] = {{NUMBER}},
    [FILE_MSG_ENTRY] = {{ENTRY}},
    [FILE_MSG_GONE] = {{PATH}},
    [FILE_MSG_LISTED] = {{NUMBER}},
    [FILE_MSG_HASH] = {{PATH}},
    [FILE_MSG_HASH_END] = {{END}},
    [FILE_MSG_HASHED] = {{STATUS, ENTRY}},
    [FILE_MSG_WANT] = {{PATH}},
    [FILE_MSG_WANT_END] = {{END}},
    [FILE_MSG_FILE] = {{STATUS, ENTRY}},
    [FILE_MSG_DATA] = {{DATA}},
    [FILE_MSG_HOLE] = {{NUMBER}},
    [FILE_MSG_DATA_END] = {{STATUS, ENTRY}},
    [FILE_MSG_DELETE] = {{PATH, BEFORE}},
    [FILE_MSG_PUT] = {{ENTRY, FLAGS, BEFORE}},
    [FILE_MSG_META] = {{ENTRY, BEFORE}},
    [FILE_MSG_APPLY_END] = {{END}},
    [FILE_MSG_APPLIED] = {{STATUS, ENTRY}},
};

enum {
    UNSURE = 1,
    OPAQUE = 2,
    HASHED = 4,
};

static int put_number(struct strbuf *out, uint64_t value, unsigned bytes)
{
    char text[8];

    for (unsigned i = 0; i < bytes; i++)
        text[i] = (char)(value >> (8 * (bytes - 1 - i)));
    return strbuf_add(out, str_of(text, bytes));
}

static int put_text(struct strbuf *out, struct str text)
{
    int r = put_number(out, text.len, 2);

    return r < 0 ? r : strbuf_add(out, text);
}

/* What both an entry and the one that was before it have. */
static int put_state(struct strbuf *out, const struct file_entry *entry)
{
    int r = put_number(out, (uint64_t)entry->kind, 1);

    r = r < 0 ? r : put_number(out, entry->mode, 2);
    r = r < 0 ? r : put_number(out, entry->stamp.ino, 8);
    r = r < 0 ? r : put_number(out, entry->stamp.size, 8);
    r = r < 0 ? r : put_number(out, (uint64_t)entry->stamp.mtime, 8);
    return r < 0 ? r : put_number(out, (uint64_t)entry->stamp.ctime, 8);
}

static int put_entry(struct strbuf *out, const struct file_entry *entry)
{
    unsigned bits = (entry->unsure ? UNSURE : 0U) |
                    (entry->opaque ? OPAQUE : 0U) |
                    (entry->has_hash ? HASHED : 0U);
    int r = put_state(out, entry);

    r = r < 0 ? r : put_number(out, entry->uid, 4);
    r = r < 0 ? r : put_number(out, entry->gid, 4);
    r = r < 0 ? r : put_number(out, bits, 1);
    if (r == 0 && entry->has_hash)
        r = strbuf_add(out, str_of((const char *)entry->hash, FILE_HASH_BYTES));
    r = r < 0 ? r : put_text(out, entry->path);
    return r < 0 ? r : put_text(out, entry->target);
}

static int put_field(struct strbuf *out, enum field field,
                     const struct file_message *message)
{
    switch (field) {
    case END:
        return 0;
    case NUMBER:
        return put_number(out, message->number, 8);
    case STATUS:
        return put_number(out, (uint64_t)message->status, 1);
    case FLAGS:
        return put_number(out, message->flags, 1);
    case PATH:
    case ANY_PATH:
        return put_text(out, message->entry.path);
    case ENTRY:
        return put_entry(out, &message->entry);
    case BEFORE:
        return put_state(out, &message->before);
    case DATA:
        return strbuf_add(out, message->data);
    }
    return 0;
}

int file_wire_add(struct strbuf *out, const struct file_message *message)
{
    size_t start = out->len;
    size_t length;
    int r = put_number(out, 0, 4);

    assert(message->type > 0 && message->type < FILE_MSG_TYPES);
    r = r < 0 ? r : put_number(out, (uint64_t)message->type, 1);
    for (size_t i = 0; r == 0 && i < 4; i++)
        r = put_field(out, shapes[message->type].fields[i], message);
    if (r < 0) {
        out->len = start;
        return r;
    }
    length = out->len - start - 4;
    assert(length <= LIMIT_FILES_MESSAGE);
    for (unsigned i = 0; i < 4; i++)
        out->ptr[start + i] = (char)(length >> (8 * (3 - i)));
    return 0;
}

/* BYTES is what is left of one message; false when it is too short. */
static bool get_number(struct str *bytes, unsigned len, uint64_t *value)
{
    if (bytes->len < len)
        return false;
    *value = 0;
    for (unsigned i = 0; i < len; i++)
        *value = *value << 8 | (unsigned char)bytes->ptr[i];
    *bytes = str_from_index(*bytes, len);
    return true;
}

static bool get_below(struct str *bytes, uint64_t below, unsigned *value)
{
    uint64_t number;

    if (!get_number(bytes, 1, &number) || number >= below)
        return false;
    *value = (unsigned)number;
    return true;
}

static bool get_text(struct str *bytes, struct str *text)
{
    uint64_t len;

    if (!get_number(bytes, 2, &len) || len > bytes->len)
        return false;
    *text = str_head(*bytes, (size_t)len);
    *bytes = str_from_index(*bytes, (size_t)len);
    return true;
}

static bool get_state(struct str *bytes, struct file_entry *entry,
                      bool may_be_none)
{
    uint64_t mode, mtime, ctime;
    unsigned kind;

    if (!get_below(bytes, FILE_OTHER + 1, &kind) ||
        !get_number(bytes, 2, &mode) ||
        !get_number(bytes, 8, &entry->stamp.ino) ||
        !get_number(bytes, 8, &entry->stamp.size) ||
        !get_number(bytes, 8, &mtime) || !get_number(bytes, 8, &ctime))
        return false;
    if ((!kind && !may_be_none) || mode > 07777)
        return false;
    entry->kind = (enum file_kind)kind;
    entry->mode = (uint32_t)mode;
    entry->stamp.mtime = (int64_t)mtime;
    entry->stamp.ctime = (int64_t)ctime;
    return true;
}

static bool get_entry(struct str *bytes, struct file_entry *entry)
{
    uint64_t uid, gid;
    unsigned bits;

    if (!get_state(bytes, entry, false) || !get_number(bytes, 4, &uid) ||
        !get_number(bytes, 4, &gid) || !get_below(bytes, 8, &bits))
        return false;
    entry->uid = (uint32_t)uid;
    entry->gid = (uint32_t)gid;
    entry->unsure = bits & UNSURE;
    entry->opaque = bits & OPAQUE;
    entry->has_hash = bits & HASHED;
    if (entry->has_hash) {
        if (bytes->len < FILE_HASH_BYTES)
            return false;
        memcpy(entry->hash, bytes->ptr, FILE_HASH_BYTES);
        *bytes = str_from_index(*bytes, FILE_HASH_BYTES);
    }
    return get_text(bytes, &entry->path) && get_text(bytes, &entry->target) &&
           file_entry_is_good(entry);
}

static bool get_field(struct str *bytes, enum field field,
                      struct file_message *message)
{
    struct str *path = &message->entry.path;
    unsigned value;

    switch (field) {
    case END:
        return true;
    case NUMBER:
        return get_number(bytes, 8, &message->number);
    case STATUS:
        if (!get_below(bytes, FILE_STATUSES, &value))
            return false;
        message->status = (enum file_status)value;
        return true;
    case FLAGS:
        return get_below(bytes, 4, &message->flags);
    case PATH:
        return get_text(bytes, path) && file_path_is_good(*path);
    case ANY_PATH:
        return get_text(bytes, path) &&
               (!path->len || file_path_is_good(*path));
    case ENTRY:
        return get_entry(bytes, &message->entry);
    case BEFORE:
        return get_state(bytes, &message->before, true);
    case DATA:
        message->data = *bytes;
        *bytes = S("");
        return message->data.len > 0;
    }
    return false;
}

int file_wire_next(struct str *bytes, struct file_message *message)
{
    struct str rest = *bytes;
    struct file_message read = {0};
    struct str body;
    uint64_t length;
    unsigned type;

    if (!get_number(&rest, 4, &length))
        return 0;
    if (!length || length > LIMIT_FILES_MESSAGE)
        return -EBADMSG;
    if (rest.len < length)
        return 0;
    body = str_head(rest, (size_t)length);
    if (!get_below(&body, FILE_MSG_TYPES, &type) || !type)
        return -EBADMSG;
    read.type = (enum file_message_type)type;
    for (size_t i = 0; i < 4; i++) {
        if (!get_field(&body, shapes[type].fields[i], &read))
            return -EBADMSG;
    }
    if (body.len || read.data.len > LIMIT_FILES_PIECE)
        return -EBADMSG;
    *message = read;
    *bytes = str_from_index(rest, (size_t)length);
    return 1;
}
