"""Stands between PostgreSQL and who speaks to it, and cuts connections where it is told to."""

import contextlib
import socket
import struct
import threading
import time


class Cut:
    """One connection ends after `messages` whole ones and `bytes_more` of the next, of the side that is named.

    `silent`: it says nothing for `away` seconds before it ends; otherwise it ends at once, and those that come within
    `away` seconds are sent away.
    """

    def __init__(self, side, messages, bytes_more=0, silent=False, away=3.0):
        self.side, self.messages, self.bytes_more, self.silent, self.away = side, messages, bytes_more, silent, away

    def __str__(self):
        more = f" and {self.bytes_more} bytes" if self.bytes_more else ""
        return f"after {self.messages} messages{more} of the {self.side}{', silent' if self.silent else ''}"


class Proxy:
    """Listens on a port of its own. `cut_of(connection)`: the Cut of the connection of that number from 0, or None."""

    def __init__(self, server_socket, cut_of=lambda connection: None):
        self._server = server_socket
        self._cut_of = cut_of
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.counts = []  # of each connection: messages of the client, of the server
        self.cuts = 0
        self._back_at = 0.0
        self._open = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self):
        return f"postgresql://krigon@127.0.0.1:{self.port}/postgres?sslmode=disable&gssencmode=disable"

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for each in self._open:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if time.monotonic() < self._back_at:
                client.close()
                continue
            # Messages go on one by one: none is to wait for the next.
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._server)
            except OSError:
                client.close()
                continue
            with self._lock:
                number = len(self.counts)
                self.counts.append({"client": 0, "server": 0})
                self._open |= {client, server}
            cut = self._cut_of(number)
            ends = threading.Event()
            threading.Thread(target=self._carry, args=(number, client, server, cut, ends), daemon=True).start()

    def _carry(self, number, client, server, cut, ends):
        back = threading.Thread(target=self._pump, args=(number, "server", server, client, cut, ends), daemon=True)
        back.start()
        self._pump(number, "client", client, server, cut, ends)
        back.join()
        with self._lock:
            self._open -= {client, server}
        client.close()
        server.close()

    def _pump(self, number, side, source, target, cut, ends):
        mine = cut if cut is not None and cut.side == side else None
        pending = b""
        # The client's first message has no letter that names it.
        head = 0 if side == "client" else 1
        try:
            if mine and mine.messages == 0 and not mine.bytes_more:
                self._end(source, target, mine, ends)
                return
            while not ends.is_set() and (block := source.recv(65536)):
                pending += block
                while len(pending) >= head + 4:
                    length = head + struct.unpack("!I", pending[head:head + 4])[0]
                    done = self.counts[number][side]
                    if mine and done == mine.messages:
                        target.sendall(pending[:mine.bytes_more])
                        self._end(source, target, mine, ends)
                        return
                    if len(pending) < length:
                        break
                    if ends.is_set():
                        return
                    target.sendall(pending[:length])
                    pending, head = pending[length:], 1
                    self.counts[number][side] = done + 1
                    if mine and done + 1 == mine.messages and not mine.bytes_more:
                        self._end(source, target, mine, ends)
                        return
        except OSError:
            pass  # the other direction ended it
        if cut is None or not ends.is_set():
            for each in (source, target):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _end(self, source, target, cut, ends):
        ends.set()
        self.cuts += 1
        if cut.silent:
            time.sleep(cut.away)
        else:
            self._back_at = time.monotonic() + cut.away
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
