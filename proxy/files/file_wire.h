#pragma once

/*
 * The messages by which two ends keep a tree in step, over one ordered stream
 * of bytes each way: four bytes of length, one of type, and the fields of that
 * type; all numbers in network order. One end only asks (the near one, which
 * has the runner's files), the other answers; whoever has the turn sends until
 * a message that ends its turn, and only then reads, so that neither can block
 * the other. Bytes in, values out: no files and no sockets here.
 */

#include "proxy/files/file_entry.h"

/* Ends that do not speak the same version do not speak. */
#define FILE_WIRE_VERSION 1

enum file_message_type {
    FILE_MSG_HELLO = 1, /* number: FILE_WIRE_VERSION. Both, first of all */
    FILE_MSG_FAILED,    /* number: an errno; data: why. Both, last of all */

    FILE_MSG_MOUNT,  /* path, "" for the root. Asks, before LIST */
    FILE_MSG_LIST,   /* number: 1 for all, 0 for what is new. Ends the turn */
    FILE_MSG_ENTRY,  /* entry, new or changed. Answers, in order of paths */
    FILE_MSG_GONE,   /* path, among the entries */
    FILE_MSG_LISTED, /* number: entries of the whole. Ends the turn */

    FILE_MSG_HASH,     /* path. Asks, up to LIMIT_FILES_BATCH */
    FILE_MSG_HASH_END, /* ends the turn */
    FILE_MSG_HASHED,   /* status, entry with the hash. One for each HASH */

    FILE_MSG_WANT,     /* path. Asks, up to LIMIT_FILES_BATCH */
    FILE_MSG_WANT_END, /* ends the turn */
    FILE_MSG_FILE,     /* status, entry. One for each WANT; if the status is
                          FILE_DONE, content follows */

    FILE_MSG_DATA,     /* data: a piece of content */
    FILE_MSG_HOLE,     /* number: so many zero bytes */
    FILE_MSG_DATA_END, /* status: FILE_DONE, or forget it; entry: the path, and
                          the hash if it is known */

    FILE_MSG_DELETE,    /* before: what must still be there */
    FILE_MSG_PUT,       /* entry, before, flags. Content follows a
                           FILE_REGULAR */
    FILE_MSG_META,      /* entry, before: its mode and time */
    FILE_MSG_APPLY_END, /* ends the turn; after up to LIMIT_FILES_BATCH of the
                           three above */
    FILE_MSG_APPLIED,   /* status, entry: how it is now. One for each of them */

    FILE_MSG_TYPES,
};

/* What became of one name. */
enum file_status {
    FILE_DONE,
    FILE_CHANGED, /* it is not what was expected any more: next time */
    FILE_DENIED,  /* it may not be read or written */
    FILE_TROUBLE, /* anything else, as a full disk */
    FILE_STATUSES,
};

enum {
    FILE_IN_PLACE = 1, /* keep the inode, which a container has mounted */
    FILE_BEFORE = 2,   /* there must be what `before` says; else nothing */
};

/* What a type has is set, the rest is zero. Text belongs to the input. */
struct file_message {
    enum file_message_type type;
    enum file_status status;
    unsigned flags;
    uint64_t number;
    struct file_entry entry;
    struct file_entry before; /* kind, mode, stamp; its path is entry's */
    struct str data;
};

/*
 * Append MESSAGE to OUT. Returns 0, or -ENOBUFS when OUT is full. The fields
 * must be as file_wire_next() accepts them.
 */
int file_wire_add(struct strbuf *out, const struct file_message *message);

/*
 * Read a message from the front of BYTES and move it on. Returns 1 and fills
 * *MESSAGE; 0 when more bytes are needed; -EBADMSG for what is no message: an
 * unknown type, a length that does not fit its fields, a value that the field
 * cannot have.
 */
int file_wire_next(struct str *bytes, struct file_message *message);
