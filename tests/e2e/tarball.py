"""Tarballs, as archives and contexts of builds are sent."""
import io
import tarfile


def tar_of(**files):
    """A tarball with a file called NAME for each NAME=CONTENT; text or bytes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            data = data.encode() if isinstance(data, str) else data
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return out.getvalue()
