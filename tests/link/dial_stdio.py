"""Standard input and output bridged to a Unix socket, each half by itself: what
"docker system dial-stdio" does."""

import os
import socket
import sys
import threading

s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])


def up():
    while data := os.read(0, 65536):
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)


threading.Thread(target=up, daemon=True).start()
while data := s.recv(65536):
    while data:
        data = data[os.write(1, data) :]
