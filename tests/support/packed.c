#include "tests/support/packed.h"

#include <assert.h>
#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

static void pack_gzip(struct str bytes, char *to, size_t room, size_t *len)
{
    z_stream z = {0};

    assert(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8,
                        Z_DEFAULT_STRATEGY) == Z_OK);
    z.next_in = (Bytef *)(uintptr_t)bytes.ptr;
    z.avail_in = (uInt)bytes.len;
    z.next_out = (Bytef *)to;
    z.avail_out = (uInt)room;
    assert(deflate(&z, Z_FINISH) == Z_STREAM_END);
    *len = z.total_out;
    deflateEnd(&z);
}

static void pack_bzip2(struct str bytes, char *to, size_t room, size_t *len)
{
    unsigned out = (unsigned)room;

    assert(BZ2_bzBuffToBuffCompress(to, &out, (char *)(uintptr_t)bytes.ptr,
                                    (unsigned)bytes.len, 9, 0, 0) == BZ_OK);
    *len = out;
}

static void pack_xz(struct str bytes, char *to, size_t room, size_t *len)
{
    lzma_options_lzma options;
    lzma_filter filters[] = {
        {LZMA_FILTER_LZMA2, &options},
        {LZMA_VLI_UNKNOWN,  NULL    }
    };

    lzma_lzma_preset(&options, 0);
    *len = 0;
    assert(lzma_stream_buffer_encode(filters, LZMA_CHECK_CRC64, NULL,
                                     (const uint8_t *)bytes.ptr, bytes.len,
                                     (uint8_t *)to, len, room) == LZMA_OK);
}

static void pack_zstd(struct str bytes, char *to, size_t room, size_t *len)
{
    ZSTD_CCtx *zstd = ZSTD_createCCtx();
    ZSTD_inBuffer in = {bytes.ptr, bytes.len, 0};
    ZSTD_outBuffer out = {to, room, 0};

    ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
    assert(
        !ZSTD_isError(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_continue)));
    assert(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_end) == 0);
    *len = out.pos;
    ZSTD_freeCCtx(zstd);
}

void pack(enum packing how, struct str bytes, struct strbuf *out)
{
    size_t room = bytes.len + bytes.len / 8 + 4096, len = 0;
    char *to = strbuf_reserve(out, room);

    assert(to);
    switch (how) {
    case PACKED_GZIP:
        pack_gzip(bytes, to, room, &len);
        break;
    case PACKED_BZIP2:
        pack_bzip2(bytes, to, room, &len);
        break;
    case PACKED_XZ:
        pack_xz(bytes, to, room, &len);
        break;
    case PACKED_ZSTD:
        pack_zstd(bytes, to, room, &len);
        break;
    case PACKINGS:
        break;
    }
    strbuf_commit(out, len);
}
