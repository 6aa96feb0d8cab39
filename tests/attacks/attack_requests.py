"""The corpus of attacks as bytes; README.md says what is in its files."""
import io
import json
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def load(name):
    return json.loads((HERE / f"{name}.json").read_text())


def names():
    return sorted(f.stem for f in HERE.glob("*.json"))


def as_bytes(part):
    """A string of bytes, or a list of such and of [COUNT, STRING]."""
    if isinstance(part, str):
        return part.encode("latin-1")
    if part and isinstance(part[0], int):
        return as_bytes(part[1]) * part[0]
    return b"".join(map(as_bytes, part))


def archive(files):
    """A tar of {name: text}."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return out.getvalue()


def body_of(request):
    if "context" in request:
        return archive(request["context"])
    if "host" in request:
        request = {"body": {"Image": "busybox", "HostConfig": request["host"]}}
    if "body" in request:
        return json.dumps(request["body"]).encode()
    return as_bytes(request.get("text", ""))


def compose(request):
    """The bytes of an `attack` or a `twin`."""
    if isinstance(request, str):
        request = {"line": request}
    if "raw" in request:
        return as_bytes(request["raw"])
    body = body_of(request)
    headers = request.get("headers", [])
    given = {h.partition(":")[0].lower() for h in headers}
    line = request.get("line", "POST /containers/create")
    lines = [f"{line} HTTP/1.1", "Host: docker"]
    if body and "content-type" not in given:
        kind = "x-tar" if "context" in request else "json"
        lines.append(f"Content-Type: application/{kind}")
    if body and not given & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    return as_bytes("\r\n".join(lines + headers) + "\r\n\r\n") + body
