#pragma once

/*
 * A runner may be called anything ("Runner_01", "ip-10-0-1-23.ec2.internal");
 * its namespace is a part of the names of images, containers and networks, so
 * it has 32 characters at most, lower-case letters, digits and single dashes.
 *
 * A name that is such a word is its own namespace. Any other is folded:
 * its letters in lower case, a dash for what else is in it, cut at 18
 * characters; then "-z" and 12 digits of its SHA-256 (60 bits, in Crockford's
 * base 32), as in "runner-01-zgtp319xaefp5". Names that fold alike would have
 * to have the same 60 bits.
 *
 * So that no plain name is the folded form of another, one that ends like a
 * folded one is folded, too: folding twice is not folding once. Fold the name
 * that the operator wrote, never a namespace.
 */

#include "policy/base/limits.h"
#include "policy/base/str.h"

/* Does TEXT have the form of a namespace, plain or folded? */
bool runner_name_is_namespace(struct str text);

/* Is NAME its own namespace? */
bool runner_name_is_plain(struct str name);

/* Append the namespace of the runner NAME, LIMIT_NAMESPACE characters at most.
 * 0 or -ENOBUFS. */
int runner_name_fold(struct strbuf *out, struct str name);

/* Append the namespace that is meant by NAME where somebody asks for one that
 * exists, by the runner's name or by the namespace itself. 0 or -ENOBUFS. */
int runner_name_put_meant(struct strbuf *out, struct str name);
