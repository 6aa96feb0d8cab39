#include "proxy/cli/audit_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "policy/base/limits.h"
#include "policy/record/audit_chain.h"

#define PAUSE_NS 200000000 /* between two looks at a file that grows */

struct reader {
    const char *path;
    FILE *file;
    struct strbuf line;      /* a part of one that is still being written */
    record_cb each;          /* either this, */
    audit_line_cb each_line; /* or this */
    void *arg;
    long bad;
    bool done;
};

static void take_line(struct reader *r, struct str line)
{
    json_t *record;

    if (r->each_line) {
        r->done = !r->each_line(line, r->arg);
        return;
    }
    record = json_loadb(line.ptr, line.len, 0, NULL);

    if (json_is_object(record))
        r->done = !r->each(record, r->arg);
    else if (line.len)
        r->bad++;
    json_decref(record);
}

/* PART may end lines, and begin one. */
static int take_part(struct reader *r, struct str part)
{
    struct str line = {0};

    while (!r->done && str_cut(part, '\n', &line, &part)) {
        if (strbuf_add(&r->line, line) < 0)
            return -EFBIG;
        take_line(r, strbuf_str(&r->line));
        strbuf_clear(&r->line);
    }
    return !r->done && strbuf_add(&r->line, line) < 0 ? -EFBIG : 0;
}

/* All that the file has by now. */
static int read_on(struct reader *r)
{
    char part[64 * KIB];
    int error = 0;
    size_t len;

    clearerr(r->file);
    while (error == 0 && !r->done &&
           (len = fread(part, 1, sizeof(part), r->file)) > 0)
        error = take_part(r, str_of(part, len));
    return error == 0 && ferror(r->file) ? -EIO : error;
}

/* Is another file at the path by now? */
static bool was_rotated(const struct reader *r)
{
    struct stat now, then;

    return stat(r->path, &now) == 0 && fstat(fileno(r->file), &then) == 0 &&
           (now.st_dev != then.st_dev || now.st_ino != then.st_ino);
}

static int follow_on(struct reader *r)
{
    FILE *file;
    int error = 0;

    while (error == 0 && !r->done) {
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
        file = was_rotated(r) ? fopen(r->path, "re") : NULL;
        error = read_on(r); /* the last of the old one */
        if (file) {
            fclose(r->file);
            r->file = file;
        }
    }
    return error;
}

static int read_file(struct reader *r, bool follow)
{
    bool is_input = !strcmp(r->path, "-");
    int error;

    r->file = is_input ? stdin : fopen(r->path, "re");
    if (!r->file)
        return -errno;
    r->line = (struct strbuf)STRBUF(LIMIT_AUDIT_LINE + AUDIT_CHAIN_ADDS);
    error = read_on(r);
    if (error == 0 && follow && !is_input)
        error = follow_on(r);
    if (error == 0 && !r->done && r->line.len)
        take_line(r, strbuf_str(&r->line)); /* cut, or without a newline */
    strbuf_fini(&r->line);
    if (!is_input)
        fclose(r->file);
    return error;
}

long audit_file_read(const char *path, bool follow, record_cb each, void *arg)
{
    struct reader r = {.path = path, .each = each, .arg = arg};
    int error = read_file(&r, follow);

    return error ? error : r.bad;
}

int audit_file_read_lines(const char *path, audit_line_cb each, void *arg)
{
    struct reader r = {.path = path, .each_line = each, .arg = arg};
    int error = read_file(&r, false);

    return error == 0 && r.done ? -ENOBUFS : error;
}
