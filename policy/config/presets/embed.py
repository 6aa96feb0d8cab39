"""Write the JSON files given as arguments as the table of policy/config/presets.h."""

import os
import sys

ESCAPES = {ord('"'): '\\"', ord("\\"): "\\\\", ord("\n"): "\\n"}


def literal(line):
    return '"%s"' % "".join(
        ESCAPES.get(b, chr(b) if 32 <= b < 127 else "\\%03o" % b) for b in line
    )


def main():
    print('#include "policy/config/presets.h"\n')
    print("const struct preset presets[] = {")
    for path in sys.argv[1:]:
        name = os.path.splitext(os.path.basename(path))[0]
        with open(path, "rb") as file:
            lines = file.read().splitlines(keepends=True)
        print('    {"%s", STR(' % name)
        for line in lines:
            print("        " + literal(line))
        print("    )},")
    print("};")
    print("const size_t preset_count = sizeof(presets) / sizeof(presets[0]);")


main()
