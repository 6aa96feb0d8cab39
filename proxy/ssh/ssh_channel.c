#include "proxy/ssh/ssh_channel.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "proxy/base/log.h"
#include "proxy/ssh/ssh_mux.h"
#include "proxy/ssh/ssh_wire.h"

#define SHARE        32700 /* what libssh2 puts into one packet */
#define OUT_MAX      LIMIT_OUT
#define SCRAP_SIZE   (16 * KIB)
#define COMPLAINT    512
#define KEEP         (64 * KIB) /* of an empty buffer, until ssh_channel_trim */
#define LIMIT_REPORT 1024

static struct ssh_channel *channel_of(struct stream *stream)
{
    return (struct ssh_channel *)stream;
}

/* Small credits cost packets, large ones make the server wait. */
static bool owes_much(const struct ssh_channel *ch)
{
    return ch->owed >= ch->window / 4;
}

static struct str peek(struct stream *stream)
{
    return bytes_str(&channel_of(stream)->in);
}

static void consume(struct stream *stream, size_t len)
{
    struct ssh_channel *ch = channel_of(stream);

    bytes_consume(&ch->in, len);
    ch->owed += len;
    /* an ended stream closes once it is read empty; the mux sees to it */
    if (ch->phase == SSH_CHANNEL_OPEN && (owes_much(ch) || ch->in.len == 0))
        ssh_mux_wake(ch->mux, ch);
}

static size_t room(const struct stream *stream)
{
    const struct ssh_channel *ch = (const struct ssh_channel *)stream;

    if (stream->state == STREAM_CLOSED || ch->shut)
        return 0;
    return OUT_MAX - ch->out.len;
}

static size_t write_bytes(struct stream *stream, struct str bytes)
{
    struct ssh_channel *ch = channel_of(stream);
    size_t most = room(stream);

    bytes = str_head(bytes, most);
    bytes_add(&ch->out, bytes);
    if (bytes.len == most)
        ch->was_full = true;
    if (bytes.len)
        ssh_mux_wake(ch->mux, ch);
    return bytes.len;
}

static void shut(struct stream *stream)
{
    struct ssh_channel *ch = channel_of(stream);

    if (ch->shut || stream->state == STREAM_CLOSED)
        return;
    ch->shut = true;
    ssh_mux_wake(ch->mux, ch);
}

static void free_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    ssh_channel_free(arg);
}

static void give_up(struct stream *stream)
{
    struct ssh_channel *ch = channel_of(stream);

    stream->on_change = NULL;
    ch->given_up = true;
    bytes_fini(&ch->in); /* the server may take long to close it */
    bytes_fini(&ch->out);
    if (ch->mux)
        ssh_mux_give_up(ch->mux, ch);
    else /* the link is gone already */
        event_base_once(ch->base, -1, EV_TIMEOUT, free_later, ch, NULL);
}

static const struct stream_ops ops = {
    .peek = peek,
    .consume = consume,
    .room = room,
    .write = write_bytes,
    .shutdown = shut,
    .close = give_up,
};

struct ssh_channel *ssh_channel_new(struct event_base *base,
                                    struct ssh_mux *mux,
                                    enum ssh_channel_kind kind)
{
    struct ssh_channel *ch = xcalloc(1, sizeof(*ch));

    *ch = (struct ssh_channel){
        .stream = {.ops = &ops, .state = STREAM_OPENING, .pristine = true},
        .base = base,
        .mux = mux,
        .kind = kind,
 /* one more than the window, for the byte that libssh2 may grant */
        .in = BYTES(LIMIT_LONG_INPUT + 1),
        .out = BYTES(OUT_MAX),
        .complaint = STRBUF(COMPLAINT),
        .target = STRBUF(LIMIT_HOST + 64),
    };
    return ch;
}

void ssh_channel_free(struct ssh_channel *ch)
{
    bytes_fini(&ch->in);
    bytes_fini(&ch->out);
    strbuf_fini(&ch->complaint);
    strbuf_fini(&ch->target);
    free(ch->why_text);
    free(ch);
}

int ssh_channel_start(struct ssh_channel *ch, const char *command)
{
    int r = libssh2_channel_exec(ch->wire, command);

    if (r == LIBSSH2_ERROR_EAGAIN)
        return -EAGAIN;
    return r == 0 ? 0 : SSH_CHANNEL_E_REFUSED;
}

void ssh_channel_opened(struct ssh_channel *ch)
{
    ch->stream.state = STREAM_OPEN;
    ssh_mux_news(ch->mux, ch);
    ssh_mux_wake(ch->mux, ch);
}

void ssh_channel_end(struct ssh_channel *ch, const char *why)
{
    assert(ch->stream.state != STREAM_CLOSED);
    ch->stream.state = STREAM_CLOSED;
    free(ch->why_text);
    ch->why_text = why ? xstrdup(why) : NULL;
    ch->stream.why = ch->why_text;
    bytes_fini(&ch->out);
    if (ch->mux)
        ssh_mux_news(ch->mux, ch);
}

/* How much is waiting for this channel, of both kinds; at least one byte is
 * asked for, since an empty packet goes away only when it is read. */
static size_t waiting(struct ssh_channel *ch)
{
    unsigned long len = 0;

    libssh2_channel_window_read_ex(ch->wire, &len, NULL);
    return len ? len : 1;
}

/* What nobody will read. */
static void discard(struct ssh_channel *ch, int kind)
{
    char scrap[SCRAP_SIZE];

    while (libssh2_poll_channel_read(ch->wire, kind) == 1) {
        size_t len = waiting(ch);
        ssize_t n = libssh2_channel_read_ex(
            ch->wire, kind, scrap, len < sizeof(scrap) ? len : sizeof(scrap));

        if (n < 0)
            break;
    }
}

static void receive_complaint(struct ssh_channel *ch)
{
    char scrap[SCRAP_SIZE];

    while (libssh2_poll_channel_read(ch->wire, SSH_EXTENDED_DATA_STDERR) == 1) {
        size_t len = waiting(ch);
        ssize_t n = libssh2_channel_read_stderr(
            ch->wire, scrap, len < sizeof(scrap) ? len : sizeof(scrap));

        if (n < 0)
            break;
        ch->owed += (unsigned long)n;
        strbuf_add(&ch->complaint,
                   str_head(str_of(scrap, (size_t)n),
                            ch->complaint.max - ch->complaint.len));
    }
}

static void receive_data(struct ssh_channel *ch)
{
    while (libssh2_poll_channel_read(ch->wire, 0) == 1) {
        size_t len = waiting(ch);
        char *to = bytes_reserve(&ch->in, len);
        ssize_t n;

        if (!to) /* cannot be: libssh2 lets nobody past the window */
            break;
        n = libssh2_channel_read(ch->wire, to, len);
        if (n < 0)
            break;
        bytes_commit(&ch->in, (size_t)n);
        if (n > 0) {
            if (!ch->spoke)
                ssh_mux_spoke(ch->mux, ch);
            ch->spoke = true;
            ssh_mux_news(ch->mux, ch);
        }
    }
}

/* Say what the command said, when it ended before it was of any use. */
static void report_command(struct ssh_channel *ch)
{
    AUTO(strbuf_fini) struct strbuf why = STRBUF(LIMIT_REPORT);
    struct str said = strbuf_str(&ch->complaint);

    while (said.len && isspace((unsigned char)said.ptr[said.len - 1]))
        said.len--;
    strbuf_addf(&why, "\"%s\" on the SSH server ended with exit code %d",
                ssh_mux_command(ch->mux),
                libssh2_channel_get_exit_status(ch->wire));
    strbuf_addf(&why, said.len ? ": "
                               : " without a word (has the key, or the "
                                 "account, a command of its own, or is it for "
                                 "SFTP only? See its ForceCommand)");
    ssh_wire_add_words(&why, said);
    if (ch->mux->forward_refusal)
        strbuf_addf(&why, "; and it does not open %s by itself: %s",
                    ch->mux->config->path, ch->mux->forward_refusal);
    ssh_channel_end(ch, strbuf_cstr(&why));
}

/* Is the stream over? Not before its owner has read everything. */
static void settle(struct ssh_channel *ch)
{
    bool cut = ch->closed_by_server && (ch->out.len > 0 || !ch->stream.eof);

    if (!ch->stream.eof || ch->in.len > 0 ||
        !(ch->eof_sent || ch->closed_by_server))
        return;
    if (ch->kind == SSH_CHANNEL_EXEC && !ch->closed_by_server)
        return; /* the exit code is still to come */
    if (ch->kind == SSH_CHANNEL_EXEC && !ch->spoke)
        report_command(ch);
    else
        ssh_channel_end(ch, cut ? "the engine closed the connection before it "
                                  "had read everything"
                                : NULL);
    ssh_mux_enter(ch->mux, ch, SSH_CHANNEL_CLOSING);
}

void ssh_channel_receive(struct ssh_channel *ch)
{
    bool ended;

    if (ch->phase == SSH_CHANNEL_CLOSING) {
        discard(ch, 0);
        discard(ch, SSH_EXTENDED_DATA_STDERR);
        return;
    }
    receive_data(ch);
    if (ch->kind != SSH_CHANNEL_STREAMLOCAL)
        receive_complaint(ch);
    ended = libssh2_channel_eof(ch->wire) == 1;
    /* libssh2 tells of the server's close in no other way */
    if (ended && !ch->closed_by_server &&
        libssh2_channel_wait_closed(ch->wire) == 0)
        ch->closed_by_server = true;
    /* a command that ends without a word has an exit code that says more */
    if (ended && !ch->stream.eof &&
        (ch->kind != SSH_CHANNEL_EXEC || ch->spoke || ch->closed_by_server)) {
        ch->stream.eof = true;
        ssh_mux_news(ch->mux, ch);
    }
    settle(ch);
}

/* How much longer the window of a channel should get whose owner keeps up. */
static size_t growth(const struct ssh_channel *ch)
{
    return ch->in.len < ch->window / 4 ? ssh_mux_growth(ch->mux, ch->window)
                                       : 0;
}

static void lend(struct ssh_channel *ch, size_t more)
{
    ch->window += more;
    ch->lent += more;
    ch->mux->lent += more;
    ch->crediting += more;
    if (more)
        log_debug("channel: %p: window of %zu", (void *)ch, ch->window);
}

bool ssh_channel_credit(struct ssh_channel *ch)
{
    if (ch->crediting == 0 && owes_much(ch) && !ch->stream.eof) {
        ch->crediting = ch->owed;
        ch->owed = 0;
        if (ch->spoke)
            lend(ch, growth(ch));
    }
    /* interrupted by a key exchange, it must be repeated with its number */
    if (ch->crediting == 0 || libssh2_channel_receive_window_adjust2(
                                  ch->wire, ch->crediting, 1, NULL) != 0)
        return false;
    ch->crediting = 0;
    return true;
}

static bool send_data(struct ssh_channel *ch)
{
    struct str share = str_head(bytes_str(&ch->out), SHARE);
    ssize_t n;

    ch->stream.pristine = false;
    n = libssh2_channel_write(ch->wire, share.ptr, share.len);
    if (n <= 0)
        return false; /* no window, or a key exchange: again later */
    bytes_consume(&ch->out, (size_t)n);
    if (ch->out.cap > KEEP)
        bytes_trim(&ch->out);
    if (ch->was_full && ch->out.len <= OUT_MAX / 2) {
        ch->was_full = false;
        ssh_mux_news(ch->mux, ch);
    }
    return true;
}

bool ssh_channel_send(struct ssh_channel *ch, struct ssh_transport *transport)
{
    bool sent;

    if (ch->phase != SSH_CHANNEL_OPEN)
        return false;
    if (ch->in.cap > KEEP)
        bytes_trim(&ch->in);
    settle(ch);
    if (ch->phase != SSH_CHANNEL_OPEN)
        return true;
    sent = ssh_channel_credit(ch);
    if (ch->closed_by_server)
        return sent;
    if (ch->out.len) {
        if (ssh_transport_is_full(transport, ch->out.len > SHARE))
            return sent;
        return send_data(ch) || sent;
    }
    if (ch->shut && !ch->eof_sent && libssh2_channel_send_eof(ch->wire) == 0) {
        ch->eof_sent = true;
        settle(ch);
        return true;
    }
    return sent;
}

void ssh_channel_trim(struct ssh_channel *ch)
{
    bytes_trim(&ch->in);
    bytes_trim(&ch->out);
}

bool ssh_channel_has_work(const struct ssh_channel *ch)
{
    if (ch->phase != SSH_CHANNEL_OPEN)
        return false;
    return ch->crediting > 0 || (owes_much(ch) && !ch->stream.eof) ||
           (!ch->closed_by_server &&
            (ch->out.len > 0 || (ch->shut && !ch->eof_sent)));
}

int ssh_channel_finish(struct ssh_channel *ch)
{
    if (libssh2_channel_free(ch->wire) == LIBSSH2_ERROR_EAGAIN)
        return -EAGAIN;
    ch->wire = NULL;
    return 0;
}
