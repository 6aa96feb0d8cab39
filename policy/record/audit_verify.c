#include "policy/record/audit_verify.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/base/limits.h"

enum { TEXT_MAX = 8 * KIB };

/* A line of a chain. */
struct entry {
    uint64_t line;
    unsigned char hash[SHA256_BYTES / 2];     /* halves of both are plenty to */
    unsigned char previous[SHA256_BYTES / 2]; /* compare by */
    uint32_t file, at;                        /* where it is */
    bool is_first;                            /* "previous" is null */
};

struct audit_verify {
    audit_fault_cb on_fault;
    void *arg;
    struct entry *entries;
    size_t count, size;
    char **files;
    size_t file_count;
    uint32_t at; /* the line of the file */
    struct audit_verify_result result;
};

struct audit_verify *audit_verify_new(audit_fault_cb on_fault, void *arg)
{
    struct audit_verify *v = xcalloc(1, sizeof(*v));

    v->on_fault = on_fault;
    v->arg = arg;
    return v;
}

struct audit_verify *audit_verify_free(struct audit_verify *v)
{
    if (!v)
        return NULL;
    for (size_t i = 0; i < v->file_count; i++)
        free(v->files[i]);
    free(v->files);
    free(v->entries);
    free(v);
    return NULL;
}

static void *grow(void *items, size_t count, size_t size)
{
    void *grown = reallocarray(items, count, size);

    if (!grown)
        abort();
    return grown;
}

int audit_verify_file(struct audit_verify *v, const char *file)
{
    if (v->file_count == LIMIT_CHAIN_FILES)
        return -ENOBUFS;
    v->files = grow(v->files, v->file_count + 1, sizeof(*v->files));
    v->files[v->file_count++] = xstrdup(file);
    v->at = 0;
    return 0;
}

__attribute__((format(printf, 4, 5))) static void fault(struct audit_verify *v,
                                                        uint32_t file,
                                                        uint32_t at,
                                                        const char *format, ...)
{
    AUTO(strbuf_fini) struct strbuf text = STRBUF(TEXT_MAX);
    va_list args;

    v->result.faults++;
    strbuf_addf(&text, "%s:%u: ", v->files[file], at);
    va_start(args, format);
    strbuf_addv(&text, format, args);
    va_end(args);
    v->on_fault(strbuf_str(&text), v->arg);
}

static unsigned digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

static void add_entry(struct audit_verify *v, struct str line,
                      const struct audit_link *link)
{
    unsigned char hash[SHA256_BYTES];
    struct entry *entry;

    if (v->count == v->size) {
        v->size = v->size ? 2 * v->size : 1024;
        v->entries = grow(v->entries, v->size, sizeof(*v->entries));
    }
    entry = &v->entries[v->count++];
    *entry = (struct entry){.line = link->line,
                            .file = (uint32_t)(v->file_count - 1),
                            .at = v->at,
                            .is_first = link->previous.len == 0};
    sha256(line, hash);
    memcpy(entry->hash, hash, sizeof(entry->hash));
    for (size_t i = 0; i < sizeof(entry->previous) && link->previous.len; i++)
        entry->previous[i] =
            (unsigned char)(digit(link->previous.ptr[2 * i]) << 4 |
                            digit(link->previous.ptr[2 * i + 1]));
    v->result.last.line = link->line;
    for (size_t i = 0; i < SHA256_BYTES; i++)
        snprintf(v->result.last.hash + 2 * i, 3, "%02x", hash[i]);
}

int audit_verify_line(struct audit_verify *v, struct str line)
{
    struct audit_link link;

    if (v->result.lines == LIMIT_CHAIN_LINES)
        return -ENOBUFS;
    v->result.lines++;
    v->at++;
    if (audit_chain_read(line, &link)) {
        add_entry(v, line, &link);
    } else if (v->count == 0) {
        v->result.unchained++;
    } else {
        fault(v, (uint32_t)(v->file_count - 1), v->at,
              "this line is in no chain: it was put in, cut when it was "
              "written, or written without audit.chain");
    }
    return 0;
}

/* ---- one chain: entries up to the next that begins anew ---- */

/*
 * Mark in MOVED those of the COUNT entries that are not where their numbers
 * belong: as few as can be, all that is not in a longest run of rising numbers.
 */
static void find_moved(const struct entry *entries, size_t count, bool *moved)
{
    size_t *ends = xcalloc(count, sizeof(*ends)); /* of runs, by length - 1 */
    size_t *before = xcalloc(count, sizeof(*before));
    size_t longest = 0, at;

    for (size_t i = 0; i < count; i++) {
        size_t low = 0, high = longest;

        while (low < high) {
            size_t middle = low + (high - low) / 2;

            if (entries[ends[middle]].line < entries[i].line)
                low = middle + 1;
            else
                high = middle;
        }
        before[i] = low ? ends[low - 1] : SIZE_MAX;
        ends[low] = i;
        if (low == longest)
            longest++;
        moved[i] = true;
    }
    at = longest ? ends[longest - 1] : SIZE_MAX;
    while (at != SIZE_MAX) {
        moved[at] = false;
        at = before[at];
    }
    free(ends);
    free(before);
}

static int by_line(const void *a, const void *b)
{
    const struct entry *one = a, *two = b;

    if (one->line != two->line)
        return one->line < two->line ? -1 : 1;
    if (one->file != two->file)
        return one->file < two->file ? -1 : 1;
    return one->at < two->at ? -1 : one->at > two->at;
}

static void tell_moved(struct audit_verify *v, const struct entry *entries,
                       size_t count)
{
    bool *moved = xcalloc(count, sizeof(*moved));

    find_moved(entries, count, moved);
    for (size_t i = 0; i < count; i++) {
        if (moved[i])
            fault(v, entries[i].file, entries[i].at,
                  "line %llu of the record is not in its place: it was moved, "
                  "or put in",
                  (unsigned long long)entries[i].line);
    }
    free(moved);
}

static bool follows(const struct entry *before, const struct entry *entry)
{
    return memcmp(before->hash, entry->previous, sizeof(entry->previous)) == 0;
}

/* ENTRY comes after BEFORE, by their numbers. */
static void check_pair(struct audit_verify *v, const struct entry *before,
                       const struct entry *entry)
{
    unsigned long long number = entry->line;

    if (entry->line == before->line) {
        fault(v, entry->file, entry->at,
              "a second line %llu of the record; the other is %s:%u", number,
              v->files[before->file], before->at);
    } else if (entry->line > before->line + 1) {
        fault(v, entry->file, entry->at,
              "missing before this line: %llu of the record, after %s:%u",
              number - before->line - 1, v->files[before->file], before->at);
    } else if (!follows(before, entry)) {
        fault(v, before->file, before->at,
              "this line was changed: it is not the one that line %llu of the "
              "record was written after",
              number);
    }
}

static void check_chain(struct audit_verify *v, struct entry *entries,
                        size_t count)
{
    tell_moved(v, entries, count);
    qsort(entries, count, sizeof(*entries), by_line);
    for (size_t i = 1; i < count; i++)
        check_pair(v, &entries[i - 1], &entries[i]);
}

struct audit_verify_result audit_verify_end(struct audit_verify *v)
{
    size_t start = 0;

    if (v->count)
        v->result.first = v->entries[0].line;
    for (size_t i = 1; i <= v->count; i++) {
        if (i < v->count && !v->entries[i].is_first)
            continue;
        if (start > 0)
            fault(v, v->entries[start].file, v->entries[start].at,
                  "a chain begins anew here: whether something is missing "
                  "before it cannot be told");
        check_chain(v, v->entries + start, i - start);
        start = i;
    }
    return v->result;
}
