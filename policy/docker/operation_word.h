#pragma once

/*
 * The words of operations.allow and operations.deny: an operation
 * ("ContainerCreate"), a group ("container"), or a group with an access class
 * ("container:read").
 */

#include "policy/docker/operation.h"

/* Does WORD name OPERATION, by itself or in a group? */
bool operation_word_names(struct str word, enum operation operation);

/* Is there anything that WORD names? If not, say in WHY what is wrong. */
bool operation_word_check(struct str word, struct strbuf *why);

/*
 * The same for a word that allows. The tunnels of BuildKit (Session, Grpc) come
 * with ImageBuild, so that no group of their own allows them.
 */
bool operation_word_check_allow(struct str word, struct strbuf *why);

/* Is this operation a tunnel that no group may allow? */
bool operation_is_opaque(enum operation operation);

/* Append number INDEX of the words that deny, or that allow: groups, groups
 * with an access class, operations. False past the last. */
bool operation_word_at(size_t index, struct strbuf *out);
bool operation_word_at_allow(size_t index, struct strbuf *out);
