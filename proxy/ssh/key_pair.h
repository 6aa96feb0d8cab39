#pragma once

/*
 * An ed25519 key of berth's own, made where it is used, so that its private
 * half never travels. In OpenSSH's format; a file that exists is never written
 * to, and the private one is nobody else's to read.
 */

#include "policy/config/policy.h"

/*
 * Make the private key PATH and the public one beside it (PATH.pub), with
 * COMMENT. Returns 0 with the public key as one line, without its newline, in
 * PUBLIC; or a negative errno with a sentence in WHY, and there is neither
 * file.
 */
int key_pair_make(const char *path, const char *comment, struct strbuf *public,
                  struct strbuf *why);

/*
 * If POLICY wants its key to be generated and there is none yet: make it, and
 * say in ADVICE what to do with it. Returns 0 or a negative errno with WHY.
 */
int key_pair_ensure(const struct policy *policy, struct strbuf *advice,
                    struct strbuf *why);

/* How a Docker host whose engine is at SOCKET is told to let PUBLIC in. */
void key_pair_put_advice(struct strbuf *out, const char *public,
                         const char *socket);
