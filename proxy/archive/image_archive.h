#pragma once

/*
 * An archive of images ("docker save", "docker load", OCI layouts) on its way
 * through, with other names in it: bytes in, bytes out, and nothing held but
 * the file with names in it, LIMIT_ARCHIVE_JSON bytes at most.
 *
 * The archive is written anew: what has another meaning to another reader is
 * refused rather than passed on. An entry's path, without "./" in front, is
 * relative and clean (no empty, "." or ".." part); files and folders pass, and
 * symbolic links as old engines and podman save them, "<64 hex>/layer.tar" to
 * "../<64 hex>/layer.tar" or "../<64 hex>.tar"; nothing lies beneath one, nor
 * beneath one of the files that berth reads. Those come once.
 */

#include "policy/docker/archive_names.h"
#include "proxy/archive/body_filter.h"

/* NAMES must outlive it. body_filter_free frees it. */
struct body_filter *image_archive_new(const struct archive_names *names);
