#!/usr/bin/python3
"""A bill of materials (SPDX 2.3) of what a program is linked to.

usage: sbom.py PROGRAM VERSION OUTPUT

Read from the program itself: every library that the linker would load for it.
On Debian each has the version of its package; elsewhere that of its file name.
SOURCE_DATE_EPOCH is the time written in it, or else 1970.
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import quote


def needed(path):
    """The names in a program's or library's own list (DT_NEEDED)."""
    text = subprocess.run(["readelf", "-dW", path], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    return re.findall(r"\(NEEDED\).*\[(.*)\]", text)


def libraries(program):
    """{name: file} of all that is loaded with it."""
    text = subprocess.run(["ldd", program], check=True, text=True,
                          stdout=subprocess.PIPE).stdout
    found = re.findall(r"^\s*(?:(\S+) => )?(/\S+) \(", text, re.M)
    return {name or Path(path).name: os.path.realpath(path)
            for name, path in found}


def debian(path):
    """(package, version, architecture, source) of what brought the file."""
    if not shutil.which("dpkg-query"):
        return None
    # a merged /usr: dpkg may know the file by its name without it
    for name in path, path.removeprefix("/usr"):
        owner = subprocess.run(["dpkg-query", "--search", name], text=True,
                               stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
        if owner.returncode == 0:
            break
    else:
        return None
    show = "${Package}|${Version}|${Architecture}|${source:Package}"
    return subprocess.run(
        ["dpkg-query", "--show", "--showformat", show,
         owner.stdout.rpartition(": ")[0]], check=True, text=True,
        stdout=subprocess.PIPE).stdout.split("|")


def version_of(path):
    """The 4.5.6 of libx.so.4.5.6."""
    found = re.search(r"\.so\.([\d.]+)$", path)
    return found.group(1) if found else "NOASSERTION"


def identifier(name):
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def package(name, path):
    about = {
        "SPDXID": identifier(name),
        "name": name,
        "versionInfo": version_of(path),
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
    }
    known = debian(path)
    if known:
        binary, version, architecture, source = known
        about["versionInfo"] = version
        about["sourceInfo"] = f"Debian's package {binary}, made from {source}"
        about["externalRefs"] = [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator":
                f"pkg:deb/debian/{binary}@{quote(version, safe='')}"
                f"?arch={architecture}",
        }]
    return about


def relation(one, kind, other):
    return {"spdxElementId": one, "relationshipType": kind,
            "relatedSpdxElement": other}


def document(program, version):
    digest = hashlib.sha256(Path(program).read_bytes()).hexdigest()
    when = datetime.fromtimestamp(
        int(os.environ.get("SOURCE_DATE_EPOCH", "0")), timezone.utc)
    found = dict(sorted(libraries(program).items()))
    berth = {
        "SPDXID": "SPDXRef-berth",
        "name": "berth",
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "Apache-2.0",
        "licenseDeclared": "Apache-2.0",
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": "APPLICATION",
        "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
    }
    links = [relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-berth")]
    for user, path in {"berth": program, **found}.items():
        links += [relation(identifier(user), "DYNAMIC_LINK", identifier(name))
                  for name in sorted(needed(path)) if name in found]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"berth-{version}",
        "documentNamespace": f"urn:berth:{version}:{digest}",
        "creationInfo": {
            "created": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "creators": ["Tool: berth-sbom.py"],
        },
        "packages": [berth, *(package(*item) for item in found.items())],
        "relationships": links,
    }


def main():
    program, version, output = sys.argv[1:]
    text = json.dumps(document(program, version), indent=1)
    Path(output).write_text(text + "\n")


if __name__ == "__main__":
    main()
