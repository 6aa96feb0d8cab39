#pragma once

/*
 * The formats of unpack.h, each by its library, behind one table of functions.
 * For unpack.c alone.
 */

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>

/* ZSTD_customMem, which the shared library has as well */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include "policy/docker/tar_sniff.h"
#include "proxy/archive/unpack.h"

/* What a decoder did with the bytes that it was given. */
enum unpack_step {
    STEP_ON,     /* go on */
    STEP_MEMBER, /* a member has ended; another may follow */
    STEP_FAULT,  /* these bytes are none of its format */
    STEP_MEMORY, /* it needs more memory than it may have */
};

/* Bytes on their way through a decoder: moved on as they are used. */
struct unpack_span {
    struct str in;
    char *out;
    size_t room;
};

struct unpack_codec {
    const char *name;
    /* It follows members, and what is between them, by itself. */
    bool concatenates;
    /* May a member behind another begin with FIRST? NULL: run() will tell. */
    bool (*follows)(unsigned char first);
    bool (*begin)(struct unpack *unpack);
    enum unpack_step (*run)(struct unpack *unpack, struct unpack_span *span);
    /* No more input: was that all? */
    bool (*finish)(struct unpack *unpack);
    void (*end)(struct unpack *unpack);
};

struct unpack {
    const struct unpack_codec *codec;
    struct unpack_limits limits;
    struct unpack_room room;
    size_t memory;            /* of the decoder */
    bool crowded;             /* there was no room for more of it */
    lzma_allocator allocator; /* xz */
    union {
        z_stream zlib;
        bz_stream bzip2;
        lzma_stream xz;
        ZSTD_DCtx *zstd;
    } state;
    bool between; /* no member has begun behind the last one */
    bool padding; /* nothing but NULs may follow */
    uint64_t taken, given;
    char head[TAR_SNIFF]; /* the first bytes that came out, until they are told
                           */
    size_t head_len;
    bool told;
    char error[256];
};

/* That of what begins with FIRST_BYTES, or NULL: they are not compressed. */
const struct unpack_codec *unpack_codec_of(struct str first_bytes);
