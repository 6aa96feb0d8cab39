#pragma once

/* The event loop writes what a line_writer has to keep waiting. */

#include <event2/event.h>

#include "proxy/net/line_writer.h"

/* BASE's loop flushes WRITER, until it is freed or write_on_end is called. */
void write_on(struct event_base *base, struct line_writer *writer);
void write_on_end(struct line_writer *writer);
