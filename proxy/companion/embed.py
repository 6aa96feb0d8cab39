#!/usr/bin/env python3
"""Writes the C source that carries the companion's programs in itself.

embed.py OUT [ARCHITECTURE PROGRAM]...
"""
import hashlib
import sys

HEAD = '#include "proxy/companion/programs.h"\n\n'
PROGRAM = """__asm__(".section .rodata\\n.balign 16\\n"
        "companion_program_{n}:\\n.incbin \\"{path}\\"\\n"
        "companion_program_{n}_end:\\n.previous\\n");
extern const char companion_program_{n}[], companion_program_{n}_end[];

"""
ROW = """    {{"{arch}", "{digest}", companion_program_{n}, companion_program_{n}_end}},
"""

out, words = sys.argv[1], sys.argv[2:]
programs, rows = "", ""
for n, (arch, path) in enumerate(zip(words[::2], words[1::2])):
    with open(path, "rb") as program:
        digest = hashlib.sha256(program.read()).hexdigest()
    programs += PROGRAM.format(n=n, path=path)
    rows += ROW.format(n=n, arch=arch, digest=digest)
with open(out, "w", encoding="ascii") as source:
    source.write(f"{HEAD}{programs}"
                 f"const struct companion_program companion_programs[] = {{\n{rows}    {{0}},\n}};\n")
