#pragma once

/* What every fuzzer defines; libFuzzer or corpus.c calls it. */

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
