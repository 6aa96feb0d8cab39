#include "proxy/companion/wire.h"

enum { OF_SESSIONS = 1, OF_RELAYS = 2 };

/* What a frame of each type may be. */
static const struct {
    unsigned of; /* whom */
    bool whole;  /* of the session itself; or of a channel */
    uint16_t least, most;
} types[] = {
    [WIRE_HELLO] = {OF_SESSIONS | OF_RELAYS, true,  2 + WIRE_NONCE,
                    2 + WIRE_NONCE                                                    },
    [WIRE_OPEN] = {OF_SESSIONS,             false, 1,              256               },
    [WIRE_DATA] = {OF_SESSIONS,             false, 1,              WIRE_PAYLOAD      },
    [WIRE_MORE] = {OF_SESSIONS,             false, 4,              4                 },
    [WIRE_EOF] = {OF_SESSIONS,             false, 0,              0                 },
    [WIRE_CLOSE] = {OF_SESSIONS | OF_RELAYS, false, 0,              0                 },
    [WIRE_BEAT] = {OF_SESSIONS | OF_RELAYS, true,  0,              0                 },
    [WIRE_BYE] = {OF_SESSIONS,             true,  0,              0                 },
    [WIRE_FLOW] = {OF_RELAYS,               false, 6,              6                 },
    [WIRE_DATAGRAM] = {OF_RELAYS,               false, 0,              WIRE_DATAGRAM_MOST},
};

enum { TYPES = sizeof(types) / sizeof(*types) };

uint32_t wire_get(const unsigned char *bytes, size_t size)
{
    uint32_t value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | bytes[i];
    return value;
}

void wire_put(unsigned char *bytes, size_t size, uint32_t value)
{
    for (size_t i = size; i-- > 0; value >>= 8)
        bytes[i] = (unsigned char)value;
}

static enum wire_result read_frame(unsigned of, const unsigned char *bytes,
                                   size_t have, struct wire_frame *frame,
                                   size_t *used)
{
    uint32_t channel;
    size_t length;
    unsigned type;

    if (have < WIRE_HEADER)
        return WIRE_PART;
    type = bytes[0];
    length = wire_get(bytes + 2, 2);
    channel = wire_get(bytes + 4, 4);
    if (type >= TYPES || !(types[type].of & of) || bytes[1] != 0 ||
        length < types[type].least || length > types[type].most ||
        types[type].whole != (channel == 0))
        return WIRE_BROKEN;
    if (have - WIRE_HEADER < length)
        return WIRE_PART;
    *frame = (struct wire_frame){(enum wire_type)type, channel,
                                 bytes + WIRE_HEADER, length};
    *used = WIRE_HEADER + length;
    return WIRE_WHOLE;
}

enum wire_result wire_read(const unsigned char *bytes, size_t have,
                           struct wire_frame *frame, size_t *used)
{
    return read_frame(OF_SESSIONS, bytes, have, frame, used);
}

enum wire_result wire_read_relayed(const unsigned char *bytes, size_t have,
                                   struct wire_frame *frame, size_t *used)
{
    return read_frame(OF_RELAYS, bytes, have, frame, used);
}

void wire_put_head(unsigned char to[WIRE_HEADER], enum wire_type type,
                   uint32_t channel, size_t length)
{
    to[0] = (unsigned char)type;
    to[1] = 0;
    wire_put(to + 2, 2, (uint32_t)length);
    wire_put(to + 4, 4, channel);
}

void wire_account_open(struct wire_account *account)
{
    *account =
        (struct wire_account){.may_send = WIRE_CREDIT, .may_come = WIRE_CREDIT};
}

static bool take_data(struct wire_account *account, size_t length)
{
    if (account->eof_came || length > account->may_come)
        return false;
    account->may_come -= (uint32_t)length;
    return true;
}

static bool take_more(struct wire_account *account, uint32_t more)
{
    if (more == 0 || more > WIRE_CREDIT - account->may_send)
        return false;
    account->may_send += more;
    return true;
}

bool wire_account_take(struct wire_account *account,
                       const struct wire_frame *frame)
{
    bool again = account->eof_came;

    switch (frame->type) {
    case WIRE_DATA:
        return take_data(account, frame->length);
    case WIRE_MORE:
        return take_more(account, wire_get(frame->payload, 4));
    case WIRE_EOF:
        account->eof_came = true;
        return !again;
    case WIRE_HELLO:
    case WIRE_OPEN:
    case WIRE_CLOSE:
    case WIRE_BEAT:
    case WIRE_BYE:
    case WIRE_FLOW:
    case WIRE_DATAGRAM:
        break;
    }
    return false;
}

uint32_t wire_account_consumed(struct wire_account *account, size_t length)
{
    uint32_t back;

    account->owed += (uint32_t)length;
    if (account->owed < WIRE_GIVE_BACK || account->eof_came)
        return 0;
    back = account->owed;
    account->owed = 0;
    account->may_come += back;
    return back;
}

bool wire_may_open(uint32_t last, uint32_t number, bool by_berth)
{
    return number > last && number % 2 == (by_berth ? 1 : 0);
}
