#include "proxy/archive/tar_entry.h"

#include <errno.h>
#include <stdio.h>

/* Where the fields of a header are. */
#define NAME   0, 100
#define MODE   100, 8
#define UID    108, 8
#define GID    116, 8
#define SIZE   124, 12
#define MTIME  136, 12
#define SUM    148, 8
#define TYPE   156, 1
#define LINK   157, 100
#define MAGIC  257, 8
#define USER   265, 32
#define GROUP  297, 32
#define MAJOR  329, 8
#define MINOR  337, 8
#define PREFIX 345, 155

#define SIZE_MAX_OCTAL (((uint64_t)1 << 33) - 1) /* of eleven digits */
#define ID_MAX_OCTAL   (((uint64_t)1 << 21) - 1) /* of seven */

static struct str field(const char *block, size_t at, size_t len)
{
    return str_of(block + at, len);
}

/* The text in a field, which a NUL ends that is shorter. */
static struct str text(const char *block, size_t at, size_t len)
{
    struct str all = field(block, at, len);
    ssize_t end = str_find(all, '\0');

    return end < 0 ? all : str_head(all, (size_t)end);
}

/* Octal digits between blanks and NULs; nothing at all is 0. */
static bool read_octal(struct str digits, uint64_t *n)
{
    size_t i = 0;

    *n = 0;
    while (i < digits.len && digits.ptr[i] == ' ')
        i++;
    for (; i < digits.len && digits.ptr[i] >= '0' && digits.ptr[i] <= '7'; i++)
        *n = *n << 3 | (uint64_t)(digits.ptr[i] - '0');
    for (; i < digits.len; i++) {
        if (digits.ptr[i] != ' ' && digits.ptr[i] != '\0')
            return false;
    }
    return true;
}

/* A number: octal, or as GNU writes what is too large for that (or negative),
 * in base 256 behind a first bit that is set. */
static bool read_number(struct str digits, int64_t *n)
{
    uint64_t value;
    unsigned char first = (unsigned char)digits.ptr[0];
    bool negative = first & 0x40;

    if (!(first & 0x80)) {
        if (!read_octal(digits, &value))
            return false;
        *n = (int64_t)value;
        return true;
    }
    value = negative ? UINT64_MAX << 6 | (first & 0x3f) : (first & 0x3f);
    for (size_t i = 1; i < digits.len; i++) {
        /* what goes out at the front may be nothing but the sign */
        if (value >> 55 != (negative ? 0x1ff : 0))
            return false;
        value = value << 8 | (unsigned char)digits.ptr[i];
    }
    *n = (int64_t)value;
    return true;
}

static unsigned sum_of(const char *block)
{
    unsigned sum = 8 * ' '; /* in the place of the sum itself */

    for (size_t i = 0; i < TAR_BLOCK; i++) {
        if (i < 148 || i >= 156)
            sum += (unsigned char)block[i];
    }
    return sum;
}

static enum tar_kind kind_of(char type)
{
    switch (type) {
    case '0':
    case '\0':
    case '7': /* contiguous, which nothing is any more */
        return TAR_FILE;
    case '1':
        return TAR_HARD_LINK;
    case '2':
        return TAR_SYMLINK;
    case '3':
        return TAR_CHARACTER;
    case '4':
        return TAR_BLOCKS;
    case '5':
        return TAR_FOLDER;
    case '6':
        return TAR_FIFO;
    case 'x':
        return TAR_PAX;
    case 'g':
        return TAR_GLOBAL;
    case 'L':
        return TAR_LONG_NAME;
    case 'K':
        return TAR_LONG_LINK;
    default:
        return TAR_OTHER;
    }
}

bool tar_block_is_end(const char *block)
{
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        if (block[i])
            return false;
    }
    return true;
}

bool tar_set_name(char to[LIMIT_TAR_NAME + 1], struct str name)
{
    if (name.len == 0 || name.len > LIMIT_TAR_NAME || str_find(name, '\0') >= 0)
        return false;
    memcpy(to, name.ptr, name.len);
    to[name.len] = '\0';
    return true;
}

/* The name, in two parts where the header is ustar's. GNU has other things in
 * the place of the first. */
static bool read_name(const char *block, struct tar_entry *entry)
{
    struct str prefix = S(""), name = text(block, NAME);

    if (str_eq(field(block, MAGIC), str_of("ustar\00000", 8)))
        prefix = text(block, PREFIX);
    snprintf(entry->name, sizeof(entry->name), "%.*s%s%.*s", STR_FMT(prefix),
             prefix.len ? "/" : "", STR_FMT(name));
    return name.len > 0;
}

static bool read_numbers(const char *block, struct tar_entry *entry)
{
    int64_t mode, uid, gid, size, major, minor;

    if (!read_number(field(block, MODE), &mode) ||
        !read_number(field(block, UID), &uid) ||
        !read_number(field(block, GID), &gid) ||
        !read_number(field(block, SIZE), &size) ||
        !read_number(field(block, MTIME), &entry->mtime) || mode < 0 ||
        uid < 0 || gid < 0 || size < 0)
        return false;
    if (entry->kind == TAR_CHARACTER || entry->kind == TAR_BLOCKS) {
        if (!read_number(field(block, MAJOR), &major) ||
            !read_number(field(block, MINOR), &minor) || major < 0 ||
            minor < 0 || major > (int64_t)ID_MAX_OCTAL ||
            minor > (int64_t)ID_MAX_OCTAL)
            return false;
        entry->major = (uint32_t)major;
        entry->minor = (uint32_t)minor;
    }
    entry->mode = (uint32_t)mode & 07777;
    entry->uid = (uint64_t)uid;
    entry->gid = (uint64_t)gid;
    entry->size = (uint64_t)size;
    return true;
}

int tar_entry_read(const char *block, struct tar_entry *to, const char **why)
{
    struct tar_entry entry = {.type = block[156]};
    struct str magic = field(block, MAGIC);
    uint64_t sum;

    if (!read_octal(field(block, SUM), &sum) || sum != sum_of(block)) {
        *why = "a header has the wrong sum, so this is no tar archive, or a "
               "damaged one";
        return TAR_E_ENTRY;
    }
    if (!str_eq(magic, str_of("ustar\00000", 8)) &&
        !str_eq(magic, str_of("ustar  \0", 8)) &&
        !str_eq(magic, str_of("\0\0\0\0\0\0\0\0", 8))) {
        *why = "a header is of a kind of tar that is not known";
        return TAR_E_ENTRY;
    }
    entry.kind = kind_of(entry.type);
    if (!read_name(block, &entry) || !read_numbers(block, &entry)) {
        *why = "a header has no name, or a number that is none";
        return TAR_E_ENTRY;
    }
    snprintf(entry.link, sizeof(entry.link), "%.*s",
             STR_FMT(text(block, LINK)));
    snprintf(entry.user, sizeof(entry.user), "%.*s",
             STR_FMT(text(block, USER)));
    snprintf(entry.group, sizeof(entry.group), "%.*s",
             STR_FMT(text(block, GROUP)));
    /* in the first tar, what ends with a slash is a folder */
    if (entry.type == '\0' && str_has_suffix(str_from(entry.name), S("/")))
        entry.kind = TAR_FOLDER;
    if (entry.kind != TAR_FILE && entry.kind <= TAR_FIFO)
        entry.size = 0;
    *to = entry;
    return 0;
}

/* ---- writing ---- */

/* "LEN KEY=VALUE\n", where LEN counts its own digits too. */
static int put_record(struct strbuf *out, const char *key, struct str value)
{
    size_t rest = strlen(key) + value.len + 3, len = rest + 1;
    char digits[24];

    while (rest + (size_t)snprintf(digits, sizeof(digits), "%zu", len) != len)
        len++;
    return strbuf_addf(out, "%s %s=%.*s\n", digits, key, STR_FMT(value));
}

static void put_text(char *block, size_t at, size_t len, struct str value)
{
    value = str_head(value, len);
    if (value.len)
        memcpy(block + at, value.ptr, value.len);
}

static void put_octal(char *block, size_t at, size_t len, uint64_t n)
{
    char digits[24];

    snprintf(digits, sizeof(digits), "%0*llo", (int)len - 1,
             (unsigned long long)n);
    memcpy(block + at, digits, len);
}

static int put_block(struct strbuf *out, const struct tar_entry *entry,
                     char type, uint64_t size)
{
    char block[TAR_BLOCK] = {0}, sum[8];
    uint64_t mtime = entry->mtime < 0 ? 0 : (uint64_t)entry->mtime;

    put_text(block, NAME, str_from(entry->name));
    put_octal(block, MODE, entry->mode);
    put_octal(block, UID, entry->uid > ID_MAX_OCTAL ? 0 : entry->uid);
    put_octal(block, GID, entry->gid > ID_MAX_OCTAL ? 0 : entry->gid);
    put_octal(block, SIZE, size > SIZE_MAX_OCTAL ? 0 : size);
    put_octal(block, MTIME, mtime > SIZE_MAX_OCTAL ? 0 : mtime);
    block[156] = type;
    put_text(block, LINK, str_from(entry->link));
    put_text(block, MAGIC, str_of("ustar\00000", 8));
    put_text(block, USER, str_head(str_from(entry->user), 31));
    put_text(block, GROUP, str_head(str_from(entry->group), 31));
    put_octal(block, MAJOR, entry->major);
    put_octal(block, MINOR, entry->minor);
    snprintf(sum, sizeof(sum), "%06o", sum_of(block));
    sum[7] = ' ';
    put_text(block, SUM, str_of(sum, 8));
    return strbuf_add(out, str_of(block, sizeof(block)));
}

static int put_padding(struct strbuf *out, uint64_t size)
{
    static const char nuls[TAR_BLOCK];

    return strbuf_add(out, str_of(nuls, tar_padding(size)));
}

/* What does not fit in the header, if anything. */
static int put_pax(struct strbuf *out, const struct tar_entry *entry)
{
    AUTO(strbuf_fini) struct strbuf records = STRBUF(TAR_HEADER_MAX);
    const struct tar_entry about = {.name = "pax", .mode = 0644};
    char number[24];
    int r = 0;

    if (strlen(entry->name) > 100)
        r = put_record(&records, "path", str_from(entry->name));
    if (r == 0 && strlen(entry->link) > 100)
        r = put_record(&records, "linkpath", str_from(entry->link));
    if (r == 0 && entry->size > SIZE_MAX_OCTAL) {
        snprintf(number, sizeof(number), "%llu",
                 (unsigned long long)entry->size);
        r = put_record(&records, "size", str_from(number));
    }
    if (r == 0)
        r = strbuf_add(&records, entry->records);
    if (r || records.len == 0)
        return r;
    r = put_block(out, &about, 'x', records.len);
    if (r == 0)
        r = strbuf_add(out, strbuf_str(&records));
    return r ? r : put_padding(out, records.len);
}

int tar_entry_put(struct strbuf *out, const struct tar_entry *entry)
{
    static const char types[] = {
        [TAR_FILE] = '0',   [TAR_HARD_LINK] = '1', [TAR_SYMLINK] = '2',
        [TAR_FOLDER] = '5', [TAR_CHARACTER] = '3', [TAR_BLOCKS] = '4',
        [TAR_FIFO] = '6',
    };
    int r = put_pax(out, entry);

    return r ? r : put_block(out, entry, types[entry->kind], entry->size);
}
