"""Stands in for a program without a supervisor: answers each client. A client that says "hang" makes it hang."""

import socket
import sys
import time

with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
    while True:
        client, _ = server.accept()
        with client:
            client.settimeout(1)
            try:
                said = client.recv(16)
            except OSError:
                continue
            while said == b"hang":
                time.sleep(3600)
            client.sendall(b"relayed\n")
