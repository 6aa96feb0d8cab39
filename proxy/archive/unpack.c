#include "proxy/archive/unpack.h"

/* ZSTD_customMem, which the shared library has as well */
#define ZSTD_STATIC_LINKING_ONLY

#include <bzlib.h>
#include <limits.h>
#include <lzma.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "policy/docker/tar_sniff.h"

const struct unpack_limits unpack_default_limits = {
    .memory = LIMIT_UNPACK_MEMORY,
    .free = LIMIT_UNPACK_FREE,
    .factor = LIMIT_UNPACK_FACTOR,
};

/* What a decoder did with the bytes that it was given. */
enum step {
    STEP_ON,     /* go on */
    STEP_MEMBER, /* a member has ended; another may follow */
    STEP_FAULT,  /* these bytes are none of its format */
    STEP_MEMORY, /* it needs more memory than it may have */
};

/* Bytes on their way through a decoder: moved on as they are used. */
struct span {
    struct str in;
    char *out;
    size_t room;
};

struct codec {
    const char *name;
    bool
        concatenates; /* it follows members, and what is between them, itself */
    bool (*begin)(struct unpack *unpack);
    enum step (*run)(struct unpack *unpack, struct span *span);
    /* No more input: was that all? */
    bool (*finish)(struct unpack *unpack);
    void (*end)(struct unpack *unpack);
};

struct unpack {
    const struct codec *codec;
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

/* ---- memory, of which each piece has its size in front ---- */

union piece {
    size_t size;
    max_align_t aligned;
};

static void *take(void *arg, size_t size)
{
    struct unpack *unpack = arg;
    union piece *piece;

    if (size > SIZE_MAX - sizeof(*piece))
        return NULL;
    size += sizeof(*piece);
    if (unpack->room.has && !unpack->room.has(unpack->room.arg, size)) {
        unpack->crowded = true;
        return NULL;
    }
    piece = malloc(size);
    if (!piece)
        return NULL;
    piece->size = size;
    unpack->memory += size;
    return piece + 1;
}

static void give_back(void *arg, void *address)
{
    struct unpack *unpack = arg;
    union piece *piece = address;

    if (!piece)
        return;
    piece--;
    unpack->memory -= piece->size;
    free(piece);
}

static void *take_many(void *arg, size_t count, size_t size)
{
    return size && count > SIZE_MAX / size ? NULL : take(arg, count * size);
}

/* ---- gzip ---- */

static void *zlib_take(void *arg, unsigned count, unsigned size)
{
    return take_many(arg, count, size);
}

static bool gzip_begin(struct unpack *unpack)
{
    unpack->state.zlib =
        (z_stream){.zalloc = zlib_take, .zfree = give_back, .opaque = unpack};
    /* 16: a gzip header, and no other, is expected */
    return inflateInit2(&unpack->state.zlib, 16 + MAX_WBITS) == Z_OK;
}

static enum step gzip_run(struct unpack *unpack, struct span *span)
{
    z_stream *z = &unpack->state.zlib;
    uInt in = span->in.len < UINT_MAX ? (uInt)span->in.len : UINT_MAX;
    uInt out = span->room < UINT_MAX ? (uInt)span->room : UINT_MAX;
    int r;

    z->next_in = (Bytef *)(uintptr_t)span->in.ptr; /* zlib only reads it */
    z->avail_in = in;
    z->next_out = (Bytef *)span->out;
    z->avail_out = out;
    r = inflate(z, Z_NO_FLUSH);
    span->in = str_from_index(span->in, in - z->avail_in);
    span->out += out - z->avail_out;
    span->room -= out - z->avail_out;
    if (r == Z_STREAM_END)
        return inflateReset(z) == Z_OK ? STEP_MEMBER : STEP_FAULT;
    if (r == Z_MEM_ERROR)
        return STEP_MEMORY;
    return r == Z_OK || r == Z_BUF_ERROR ? STEP_ON : STEP_FAULT;
}

static bool ends_between(struct unpack *unpack)
{
    return unpack->between;
}

static void gzip_end(struct unpack *unpack)
{
    inflateEnd(&unpack->state.zlib);
}

/* ---- bzip2 ---- */

static void *bzip2_take(void *arg, int count, int size)
{
    return take_many(arg, (size_t)count, (size_t)size);
}

static bool bzip2_begin(struct unpack *unpack)
{
    unpack->state.bzip2 = (bz_stream){
        .bzalloc = bzip2_take, .bzfree = give_back, .opaque = unpack};
    return BZ2_bzDecompressInit(&unpack->state.bzip2, 0, 0) == BZ_OK;
}

static void bzip2_end(struct unpack *unpack)
{
    BZ2_bzDecompressEnd(&unpack->state.bzip2);
}

static enum step bzip2_run(struct unpack *unpack, struct span *span)
{
    bz_stream *bz = &unpack->state.bzip2;
    unsigned in = span->in.len < UINT_MAX ? (unsigned)span->in.len : UINT_MAX;
    unsigned out = span->room < UINT_MAX ? (unsigned)span->room : UINT_MAX;
    int r;

    bz->next_in = (char *)(uintptr_t)span->in.ptr; /* it only reads it */
    bz->avail_in = in;
    bz->next_out = span->out;
    bz->avail_out = out;
    r = BZ2_bzDecompress(bz);
    span->in = str_from_index(span->in, in - bz->avail_in);
    span->out += out - bz->avail_out;
    span->room -= out - bz->avail_out;
    if (r == BZ_STREAM_END) {
        bzip2_end(unpack);
        return bzip2_begin(unpack) ? STEP_MEMBER : STEP_MEMORY;
    }
    if (r == BZ_MEM_ERROR)
        return STEP_MEMORY;
    return r == BZ_OK ? STEP_ON : STEP_FAULT;
}

/* ---- xz ---- */

static bool xz_begin(struct unpack *unpack)
{
    unpack->allocator = (lzma_allocator){
        .alloc = take_many, .free = give_back, .opaque = unpack};
    unpack->state.xz = (lzma_stream)LZMA_STREAM_INIT;
    unpack->state.xz.allocator = &unpack->allocator;
    /* it follows the members and the padding between them by itself */
    return lzma_stream_decoder(&unpack->state.xz, unpack->limits.memory,
                               LZMA_CONCATENATED) == LZMA_OK;
}

static enum step xz_run(struct unpack *unpack, struct span *span)
{
    lzma_stream *xz = &unpack->state.xz;
    lzma_ret r;

    xz->next_in = (const uint8_t *)span->in.ptr;
    xz->avail_in = span->in.len;
    xz->next_out = (uint8_t *)span->out;
    xz->avail_out = span->room;
    r = lzma_code(xz, LZMA_RUN);
    span->in = str_from_index(span->in, span->in.len - xz->avail_in);
    span->out += span->room - xz->avail_out;
    span->room = xz->avail_out;
    if (r == LZMA_MEMLIMIT_ERROR || r == LZMA_MEM_ERROR)
        return STEP_MEMORY;
    return r == LZMA_OK || r == LZMA_BUF_ERROR ? STEP_ON : STEP_FAULT;
}

static bool xz_finish(struct unpack *unpack)
{
    lzma_stream *xz = &unpack->state.xz;

    xz->avail_in = xz->avail_out = 0;
    return lzma_code(xz, LZMA_FINISH) == LZMA_STREAM_END;
}

static void xz_end(struct unpack *unpack)
{
    lzma_end(&unpack->state.xz);
}

/* ---- zstd ---- */

static bool zstd_begin(struct unpack *unpack)
{
    int log = 0;

    while ((size_t)2 << log <= unpack->limits.memory)
        log++;
    unpack->state.zstd =
        ZSTD_createDCtx_advanced((ZSTD_customMem){take, give_back, unpack});
    return unpack->state.zstd &&
           !ZSTD_isError(ZSTD_DCtx_setParameter(unpack->state.zstd,
                                                ZSTD_d_windowLogMax, log));
}

static enum step zstd_run(struct unpack *unpack, struct span *span)
{
    ZSTD_inBuffer in = {span->in.ptr, span->in.len, 0};
    ZSTD_outBuffer out = {span->out, span->room, 0};
    size_t r = ZSTD_decompressStream(unpack->state.zstd, &out, &in);

    span->in = str_from_index(span->in, in.pos);
    span->out += out.pos;
    span->room -= out.pos;
    if (ZSTD_isError(r))
        /* its codes have no stable names but through their texts */
        return strstr(ZSTD_getErrorName(r), "memory") ? STEP_MEMORY
                                                      : STEP_FAULT;
    return r == 0 ? STEP_MEMBER : STEP_ON;
}

static void zstd_end(struct unpack *unpack)
{
    ZSTD_freeDCtx(unpack->state.zstd);
}

/* ---- all of them ---- */

static const struct codec gzip = {
    .name = "gzip",
    .begin = gzip_begin,
    .run = gzip_run,
    .finish = ends_between,
    .end = gzip_end,
};
static const struct codec bzip2 = {
    .name = "bzip2",
    .begin = bzip2_begin,
    .run = bzip2_run,
    .finish = ends_between,
    .end = bzip2_end,
};
static const struct codec xz = {
    .name = "xz",
    .concatenates = true,
    .begin = xz_begin,
    .run = xz_run,
    .finish = xz_finish,
    .end = xz_end,
};
static const struct codec zstd = {
    .name = "zstd",
    .begin = zstd_begin,
    .run = zstd_run,
    .finish = ends_between,
    .end = zstd_end,
};

static const struct codec *codec_of(struct str first_bytes)
{
    if (!tar_is_compressed(first_bytes))
        return NULL;
    switch ((unsigned char)first_bytes.ptr[0]) {
    case 0x1f:
        return &gzip;
    case 'B':
        return &bzip2;
    case 0xfd:
        return &xz;
    default:
        return &zstd;
    }
}

static enum unpack_result unpack_fail(struct unpack *unpack, const char *format)
{
    /* every format has one %s, for the kind of compression */
    _Pragma("GCC diagnostic push")
        _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"") snprintf(
            unpack->error, sizeof(unpack->error), format, unpack->codec->name);
    _Pragma("GCC diagnostic pop") return UNPACK_ERROR;
}

static void fail_for_memory(struct unpack *unpack)
{
    if (unpack->crowded)
        unpack_fail(unpack, "berth has no memory left at the moment for "
                            "undoing the %s compression of this archive; try "
                            "again, with fewer of them at a time");
    else
        unpack_fail(unpack, "unpacking this archive takes more memory than "
                            "there is for it; compress it with a smaller %s "
                            "dictionary or window");
}

struct unpack *unpack_new(struct str first_bytes,
                          const struct unpack_limits *limits,
                          const struct unpack_room *room)
{
    const struct codec *codec = codec_of(first_bytes);
    struct unpack *unpack;

    if (!codec)
        return NULL;
    unpack = xcalloc(1, sizeof(*unpack));
    unpack->codec = codec;
    unpack->limits = *limits;
    unpack->room = *room;
    if (!codec->begin(unpack))
        fail_for_memory(unpack);
    return unpack;
}

struct unpack *unpack_free(struct unpack *unpack)
{
    if (unpack)
        unpack->codec->end(unpack);
    free(unpack);
    return NULL;
}

const char *unpack_error(const struct unpack *unpack)
{
    return unpack->error;
}

bool unpack_is_crowded(const struct unpack *unpack)
{
    return unpack->crowded;
}

size_t unpack_memory(const struct unpack *unpack)
{
    return unpack->memory;
}

static bool is_bomb(const struct unpack *unpack)
{
    return unpack->given > unpack->limits.free &&
           unpack->given / unpack->limits.factor > unpack->taken;
}

/* Between two members, padding may begin, and then nothing else comes. */
static bool skip_padding(struct unpack *unpack, struct str *in)
{
    if (unpack->codec->concatenates)
        return true;
    if (unpack->between && in->len && in->ptr[0] == '\0')
        unpack->padding = true;
    while (unpack->padding && in->len) {
        if (in->ptr[0] != '\0')
            return false;
        *in = str_from_index(*in, 1);
    }
    return true;
}

/* Run the decoder once over *IN, into OUT; returns how many bytes came out, or
 * -1 after a failure. */
static ssize_t unpack_run(struct unpack *unpack, struct str *in, char *out,
                          size_t room)
{
    struct span span = {*in, out, room};
    enum step step;

    if (in->len)
        unpack->between = false;
    step = unpack->codec->run(unpack, &span);
    unpack->taken += in->len - span.in.len;
    unpack->given += room - span.room;
    *in = span.in;
    switch (step) {
    case STEP_ON:
        break;
    case STEP_MEMBER:
        unpack->between = true;
        break;
    case STEP_FAULT:
        unpack_fail(unpack, "the archive is not valid %s");
        return -1;
    case STEP_MEMORY:
        fail_for_memory(unpack);
        return -1;
    }
    if (is_bomb(unpack)) {
        unpack_fail(unpack, "the archive grows out of proportion when its %s "
                            "compression is undone; send it uncompressed");
        return -1;
    }
    return (ssize_t)(room - span.room);
}

/* The first bytes that come out are held back until it can be told what they
 * are. */
static bool head_is_good(struct unpack *unpack)
{
    if (!tar_is_compressed(str_of(unpack->head, unpack->head_len)))
        return true;
    unpack_fail(unpack, "the archive is compressed twice; undo one more than "
                        "its %s");
    return false;
}

static enum unpack_result feed_head(struct unpack *unpack, struct str *in,
                                    struct strbuf *out)
{
    while (unpack->head_len < sizeof(unpack->head)) {
        size_t before = in->len;
        ssize_t got;

        if (!skip_padding(unpack, in))
            return unpack_fail(unpack, "something follows the %s archive");
        if (unpack->between && in->len == 0)
            return UNPACK_MORE;
        got = unpack_run(unpack, in, unpack->head + unpack->head_len,
                         sizeof(unpack->head) - unpack->head_len);
        if (got < 0)
            return UNPACK_ERROR;
        unpack->head_len += (size_t)got;
        if (got == 0 && in->len == before)
            return UNPACK_MORE;
    }
    if (!head_is_good(unpack))
        return UNPACK_ERROR;
    unpack->told = true;
    strbuf_add(out, str_of(unpack->head, unpack->head_len));
    return UNPACK_ROOM;
}

enum unpack_result unpack_feed(struct unpack *unpack, struct str *in,
                               struct strbuf *out, size_t room)
{
    enum unpack_result result;

    if (unpack->error[0])
        return UNPACK_ERROR;
    if (!unpack->told) {
        if (room < sizeof(unpack->head))
            return UNPACK_ROOM;
        result = feed_head(unpack, in, out);
        if (result != UNPACK_ROOM)
            return result;
        room -= sizeof(unpack->head);
    }
    while (room) {
        size_t before = in->len, step = room < 64 * KIB ? room : 64 * KIB;
        char *to;
        ssize_t got;

        if (!skip_padding(unpack, in))
            return unpack_fail(unpack, "something follows the %s archive");
        if (unpack->between && in->len == 0)
            return UNPACK_MORE;
        to = strbuf_reserve(out, step);
        if (!to)
            return UNPACK_ROOM;
        got = unpack_run(unpack, in, to, step);
        if (got < 0)
            return UNPACK_ERROR;
        strbuf_commit(out, (size_t)got);
        room -= (size_t)got;
        if (got == 0 && in->len == before)
            return UNPACK_MORE;
    }
    return UNPACK_ROOM;
}

bool unpack_end(struct unpack *unpack, struct strbuf *out)
{
    if (unpack->error[0])
        return false;
    if (!unpack->codec->finish(unpack)) {
        unpack_fail(unpack, "the %s archive is cut short");
        return false;
    }
    if (!unpack->told)
        strbuf_add(out, str_of(unpack->head, unpack->head_len));
    unpack->told = true;
    return true;
}
