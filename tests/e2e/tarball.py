"""Tarballs, as archives and contexts of builds are sent."""
import io
import subprocess
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


def tar_of_programs(root, *programs):
    """A tarball of PROGRAMS below ROOT and all that they are linked with."""
    files = set(programs)
    for program in programs:
        linked = subprocess.run(["chroot", root, "ldd", "/" + program],
                                check=True, capture_output=True, text=True)
        files.update(word.lstrip("/") for word in linked.stdout.split()
                     if word.startswith("/"))
    return subprocess.run(
        ["tar", "-C", root, "-c", "--dereference", *sorted(files)],
        check=True, capture_output=True).stdout
