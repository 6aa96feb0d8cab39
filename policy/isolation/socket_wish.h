#pragma once

/*
 * What is in a container's label about the socket that it has in place of
 * docker.sock (LABEL_SOCKET in policy/docker/companion_name.h).
 */

#include <jansson.h>
#include <stdbool.h>

/* What LABELS say, or NULL: it has none. The caller's. */
json_t *socket_wish_read(const json_t *labels);

/* The socket's number, below MOST. */
bool socket_wish_number(const json_t *labels, unsigned most, unsigned *number);
