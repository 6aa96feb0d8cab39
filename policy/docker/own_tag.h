#pragma once

/*
 * Names of images of one runner among the names of all. An engine has one table
 * of tags; what a runner calls "app:1" is there as its *own tag*, under a
 * host that never resolves (".invalid", RFC 6761, section 6.4):
 *
 *     the runner's name                   on the engine, of namespace "r1"
 *     app, docker.io/library/app:latest   r1.berth.invalid/app:latest
 *     acme/app:2                          r1.berth.invalid/docker.io/acme/app:2
 *     ghcr.io/acme/app r1.berth.invalid/ghcr.io/acme/app:latest
 *     localhost:5000/app r1.berth.invalid/localhost_5000/app:latest REG/app
 * r1.berth.invalid/hex__524547/app:latest
 *
 * The mapping needs no state: each own tag comes from exactly one name, and is
 * read back into it. A host of small letters, digits, dots and hyphens stays
 * as it is; ":" before its port becomes "_"; every other host (capitals, an
 * IPv6 address) becomes "hex__" and its bytes. No host has a "_" in it, so the
 * three never meet; and Docker Hub's library has no host at all.
 *
 * Below the same domain are names that berth alone makes:
 *
 *     r1.anchor.berth.invalid/image:<ID>   an anchor: the image with this ID is
 *                                          r1's own, although it has no tag
 *     r1.anchor.berth.invalid/new:<digits> the same, before its ID is known
 *     r1.digest.berth.invalid/app:<hex>    r1 pulled "app@sha256:<hex>", which
 *                                          needs no tag
 *     push.berth.invalid/<as above>        a mark: this name is being pushed
 *     companion.berth.invalid/...          berth's own program
 * (companion_name.h)
 *
 * All are pure functions of text; nothing here knows what an engine has.
 */

#include "policy/docker/image_ref.h"

#define OWN_TAG_DOMAIN "berth.invalid"

/* Below it, what no namespace has any more and others' containers need yet. */
#define LEFT_NAMESPACE "left"

/* No name of this module is longer: namespace, host as hex, path, tag, digest.
 */
enum { OWN_TAG_MAX = 1536 };

enum { OWN_TAG_E_FOREIGN = 1 };

/*
 * Is there a word in REF's name that ends in the domain, in any case and with
 * any port: "r2.berth.invalid/app", "x/r2.berth.invalid"? No runner may write
 * one, neither as a name nor in front of a digest: refuse it before anything is
 * mapped. (Not only in front: an engine shows docker.io/r2.berth.invalid/app as
 * "r2.berth.invalid/app".)
 */
bool own_tag_is_reserved(const struct image_ref *ref);

/*
 * Does REF, with a tag, read like a digest ("sha256:0123...")? No image may be
 * called so; Docker refuses "sha256" with the words "refusing to create an
 * ambiguous tag using digest algorithm as name".
 */
bool own_tag_is_ambiguous(const struct image_ref *ref);

/* Words that are no namespace, because names of berth's own begin with them. */
bool own_tag_namespace_is_reserved(struct str ns);

/*
 * Append the own tag of REF, with the tag and digest that it has: complete it
 * first (image_ref_complete) where a name has to have one. REF is not a
 * reserved one. 0 or -ENOBUFS (OWN_TAG_MAX holds any).
 */
int own_tag_put(struct strbuf *out, struct str ns, const struct image_ref *ref);

/* Append "<ns>.anchor.berth.invalid/image:<ID>", of an image's ID, with or
 * without "sha256:"; -EINVAL for what is no full ID. */
int own_anchor_put(struct strbuf *out, struct str ns, struct str id);
/* Append "<ns>.anchor.berth.invalid/new:<DIGITS>", made of RANDOM. */
int own_anchor_put_new(struct strbuf *out, struct str ns, uint64_t random);

/* Append "<ns>.digest.berth.invalid/<path>:<hex>" of REF, "app@sha256:<hex>";
 * -EINVAL when it has no such digest. */
int own_digest_put(struct strbuf *out, struct str ns,
                   const struct image_ref *ref);

/* Append the mark that keeps all runners from using REF, a completed one, while
 * it is pushed. */
int own_push_mark_put(struct strbuf *out, const struct image_ref *ref);

/* What a name of an engine's is. */
enum own_name_kind {
    OWN_NAME_REAL,   /* what a registry or the host's people called it */
    OWN_NAME_TAG,    /* an own tag of NS */
    OWN_NAME_ANCHOR, /* an anchor of NS */
    OWN_NAME_DIGEST, /* what NS pulled by digest */
    OWN_NAME_MARK,   /* the mark of a push */
    OWN_NAME_ODD,    /* below the domain, but nothing that berth writes */
};

struct own_name {
    enum own_name_kind kind;
    struct str ns;   /* of the first three; a slice of what was read */
    struct str rest; /* behind the host: "app:latest" */
};

/* Read NAME, as an engine shows it: "busybox:latest", "r1.berth.invalid/a:1",
 * with a digest or without. */
struct own_name own_name_read(struct str name);

/* Is it an own tag or an anchor of NS? Then the image with this name is its
 * own. */
bool own_name_is_of(struct str name, struct str ns);

/* An image's name in short, as people write and an engine shows it ("app:1"),
 * or in full ("docker.io/library/app:1"). */
enum image_form { IMAGE_SHORT, IMAGE_FULL };

/* Append REF with the tag and digest that it has. 0 or -ENOBUFS. */
int image_ref_put(struct strbuf *out, const struct image_ref *ref,
                  enum image_form form);

/*
 * Append the runner's name of NAME, an own tag of NS or the repository of one,
 * with the tag and digest that it has. 0, -ENOBUFS; or OWN_TAG_E_FOREIGN, with
 * nothing appended, when it is none of NS, or one that own_tag_put would not
 * have written.
 */
int own_tag_read(struct strbuf *out, struct str ns, struct str name,
                 enum image_form form);

/* The same of a digest: "app@sha256:<hex>". */
int own_digest_read(struct strbuf *out, struct str ns, struct str name,
                    enum image_form form);
/* And of a push's mark: the real name that is being pushed. */
int own_push_mark_read(struct strbuf *out, struct str name,
                       enum image_form form);

/*
 * Append TEXT, a sentence or a line of the engine's, with the own tags of NS in
 * it as the runner knows them, in short: "No such image: app:latest". Other
 * words stay. 0 or -ENOBUFS.
 */
int own_tag_restore_text(struct strbuf *out, struct str ns, struct str text);
