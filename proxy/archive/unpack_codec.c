#include "proxy/archive/unpack_codec.h"

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

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

static enum unpack_step gzip_run(struct unpack *unpack,
                                 struct unpack_span *span)
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

static enum unpack_step bzip2_run(struct unpack *unpack,
                                  struct unpack_span *span)
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

static enum unpack_step xz_run(struct unpack *unpack, struct unpack_span *span)
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

/* A frame, or one to be skipped (RFC 8878, 3.1). The library may also know the
 * formats from before, if it sees four bytes of them at once. */
static bool zstd_follows(unsigned char first)
{
    return first == (ZSTD_MAGICNUMBER & 0xff) ||
           (first & 0xf0) == (ZSTD_MAGIC_SKIPPABLE_START & 0xff);
}

static enum unpack_step zstd_run(struct unpack *unpack,
                                 struct unpack_span *span)
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

static const struct unpack_codec gzip = {
    .name = "gzip",
    .begin = gzip_begin,
    .run = gzip_run,
    .finish = ends_between,
    .end = gzip_end,
};
static const struct unpack_codec bzip2 = {
    .name = "bzip2",
    .begin = bzip2_begin,
    .run = bzip2_run,
    .finish = ends_between,
    .end = bzip2_end,
};
static const struct unpack_codec xz = {
    .name = "xz",
    .concatenates = true,
    .begin = xz_begin,
    .run = xz_run,
    .finish = xz_finish,
    .end = xz_end,
};
static const struct unpack_codec zstd = {
    .name = "zstd",
    .follows = zstd_follows,
    .begin = zstd_begin,
    .run = zstd_run,
    .finish = ends_between,
    .end = zstd_end,
};

const struct unpack_codec *unpack_codec_of(struct str first_bytes)
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
