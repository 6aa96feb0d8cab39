#pragma once

/*
 * What the programs of the bench share. They end at the first surprise, with
 * a message: a number that was measured on the way to a fault is none.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MIB ((size_t)1024 * 1024)

/* Says what went wrong, with errno's text if that is set, and exits with 1. */
_Noreturn void die(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

uint64_t now_ns(void); /* CLOCK_MONOTONIC */

/* A number from the command line, between LEAST and MOST, or die. */
unsigned long number(const char *word, unsigned long least, unsigned long most);

/* As many descriptors as we may have. */
void raise_descriptor_limit(void);

/* A connected Unix socket; waits while the backlog is full. */
int unix_connect(const char *path);
/* A listening one that everybody may connect to; in place of what is there. */
int unix_listen(const char *path);

/* All of it; false when the peer is gone. */
bool write_all(int fd, const void *bytes, size_t len);
