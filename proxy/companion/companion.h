#pragma once

/*
 * berth's small program on the engine's side, in a container of its own without
 * a network. Its first process holds what must not die: the sockets that job
 * containers have in place of docker.sock. It speaks to nobody but to the
 * session that berth runs in the same container by exec, which carries
 * connections (wire.h).
 *
 *     berth-companion hold DIRECTORY MODE SECONDS
 *     berth-companion session NONCE
 *
 * In another container it works on the volume of a directory that is copied:
 * its first process does nothing, and the other is the far end of proxy/files.
 *
 *     berth-companion idle
 *     berth-companion files DIRECTORY MODE UID GID ENTRIES BYTES
 *
 * In the network of a container that publishes ports of UDP, it relays
 * datagrams to that container: its first process waits for the other to end.
 *
 *     berth-companion wait SECONDS
 *     berth-companion relay NONCE
 */

#include <sys/socket.h>
#include <sys/un.h>

enum {
    /* Exit codes; 0 of the first process: berth has been silent for too long */
    COMPANION_USAGE = 2,
    COMPANION_REPLACED = 3, /* a session: a newer one has come */
    COMPANION_FAILED = 4,
    COMPANION_ENDED = 143, /* the first process: by SIGTERM */
};

/*
 * The first process: listen on DIRECTORY/0 and so on, WIRE_SOCKETS of them,
 * with MODE, and hand connections to the newest session while it takes them. It
 * ends by itself when none has told for SECONDS that berth lives; 0: never.
 */
int companion_hold(const char *address, const char *directory, unsigned mode,
                   unsigned seconds);

/* Between the two, in an abstract Unix socket of this container's: from the
 * session, messages of one byte each; to it, a socket's number in two bytes
 * with a connection, or one byte. */
#define COMPANION_ADDRESS "berth-companion"
enum companion_message {
    COMPANION_TAKES = 1, /* the session takes one more connection */
    COMPANION_BEAT,      /* berth lives */
    COMPANION_NEWER,     /* to the session: a newer one has come */
};

/* Fill ADDRESS with the abstract one called NAME; returns its length. */
socklen_t companion_address(struct sockaddr_un *address, const char *name);

/* A session on descriptors IN and OUT, which says NONCE first; HOLDER is its
 * connection to the first process. */
int companion_session(int in, int out, int holder, const char *nonce);

/* The same, with a connection of its own; it waits a while for the first
 * process to listen. */
int companion_session_join(const char *address, const char *nonce);

/* The first process where files are copied: until SIGTERM. */
int companion_idle(void);

/* The far end, on standard input and output: first, DIRECTORY itself gets the
 * mode and the owner of the other one. */
struct companion_folder {
    const char *directory;
    unsigned mode, uid, gid;
    unsigned long long entries, bytes;
};
int companion_files(const struct companion_folder *folder);

/*
 * Relay datagrams for berth, which speaks on IN and OUT, until it leaves or has
 * been silent for WIRE_SILENCE_S. NONCE is said first. They go nowhere but to
 * ports of this network's own addresses: a socket that sends to one is bound to
 * the same, and the kernel gives no other way to it than the loopback.
 */
int companion_relay(int in, int out, const char *nonce);

/* The first process where datagrams are relayed: until SIGTERM, or until it has
 * been alone for SECONDS. */
int companion_wait(unsigned seconds);

/* Write a line to standard error. Returns CODE. */
int companion_say(int code, const char *line);
