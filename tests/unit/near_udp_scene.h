#pragma once

/*
 * Datagrams to a port of a container. The test plays the engine; the relay is
 * the real program, in a process of its own, and the container's network is
 * this machine's loopback.
 */

#include "tests/unit/unit.h"

#include <netinet/in.h>

#include "policy/base/limits.h"
#include "proxy/companion/wire.h"
#include "proxy/near/near_private.h"
#include "tests/unit/fake_upstream.h"
#include "tests/unit/listener_place.h"

/* Two containers; and the address of the first, 127.5.6.8. */
#define UDP_DNS                                                                \
    "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1"
#define UDP_OTHER                                                              \
    "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2"
#define UDP_OWN 0x7f050608

extern struct fake_upstream udp_fake;
extern struct listener_place udp_place;
extern struct near *udp_near;
extern int udp_service;           /* the container's socket */
extern const char *udp_elsewhere; /* its address on another network */

int udp_setup(void **state);
int udp_teardown(void **state);
/* From now on ports are listened on at all addresses. */
void udp_listen_anywhere(void);

/* ---- the engine ---- */

void udp_run(void);
/* The stream on which TEXT was asked, or FAKE_STREAMS. */
size_t udp_asked(const char *text);
void udp_answer(const char *question, int status, const char *body);
void udp_answer_inspect(const char *id, const char *started, unsigned port,
                        const char *address);
/* UDP_DNS is as it was when it began. */
void udp_confirm(void);
void udp_event(const char *action, const char *id);

/* ---- the relay ---- */

/* What it and berth have for each other. */
void udp_pump(void);
/* The exec that was asked for is created, and the program answers. */
void udp_answer_exec(void);
/* The same where its container is there already. */
void udp_answer_relay(void);
bool udp_relay_is_closed(void);
/* With the link; its flows are gone. */
void udp_lose_relay(void);

/* ---- ports and clients ---- */

/* Publish the container's port as PORT, "" for any; and what it is then. */
enum port_open udp_open_port(const char *id, const char *port);
const char *udp_port_of(const char *id);
/* UDP_DNS is started, with its port published. */
void udp_start(void);

/* A client of the port of ID. */
int udp_client_of(const char *id);
/* udp_start(), and a client whose first datagram, TEXT, has arrived, FROM
 * there. */
int udp_begin_flow(const char *text, struct sockaddr_in *from);

void udp_say(int fd, const char *text);
void udp_reply(const struct sockaddr_in *to, const char *text);

/* The next datagram for FD: its length, and its bytes in udp_got. */
extern char udp_got[WIRE_DATAGRAM_MOST + 1];
ssize_t udp_receive(int fd, struct sockaddr_in *from);
void udp_expect(int fd, struct sockaddr_in *from, const char *text);
/* Nothing is there for FD, and none is under way. */
void udp_expect_nothing(int fd);
