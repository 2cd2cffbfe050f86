# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 and HTTP/2 over TLS for the double of the API server; the client chooses with ALPN."""

import asyncio
import http.client

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import hyperframe.frame

from api_routes import Request

MAX_BODY = 8 << 20


class Cut(Exception):
    """Raised by a body: close the connection in the middle of it."""


class Reset(Exception):
    """Raised by a body: reset its HTTP/2 stream, keep the connection."""


class Server:
    """`handle` returns the Response to a Request. With `chunk`, streams are sent in pieces of that many bytes."""

    def __init__(self, handle, chunk=0):
        self._handle, self._chunk = handle, chunk
        self._connections = set()

    async def serve(self, reader, writer):
        tls = writer.get_extra_info("ssl_object")
        protocol = Http2 if tls.selected_alpn_protocol() == "h2" else Http1
        connection = protocol(reader, writer, self._handle, self._chunk)
        self._connections.add(connection)
        try:
            await connection.run()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, h2.exceptions.ProtocolError, Cut):
            pass  # the client disconnected or sent garbage: only this connection ends
        finally:
            self._connections.discard(connection)
            writer.close()

    def cut_connections(self):
        """Close every connection at once."""
        for connection in self._connections:
            connection.writer.transport.abort()

    def go_away(self):
        """Ask every client to use a new connection, as a server does before it stops. Open streams go on."""
        for connection in self._connections:
            connection.go_away()


def pieces(data, size):
    """`data` in pieces of at most `size` bytes; in one if size is 0."""
    return [data[i:i + size] for i in range(0, len(data), size)] if size else [data]


class Http1:
    def __init__(self, reader, writer, handle, chunk):
        self.reader, self.writer, self.handle, self.chunk = reader, writer, handle, chunk

    def go_away(self):
        pass  # HTTP/1.1 has no such message

    async def run(self):
        while True:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, target, _ = head[0].split(" ", 2)
            fields = (line.partition(":") for line in head[1:] if line)
            headers = {name.strip().lower(): value.strip() for name, _, value in fields}
            length = int(headers.get("content-length", 0))
            if length > MAX_BODY:
                return
            body = await self.reader.readexactly(length)
            response = self.handle(Request(method, target, headers, body, "HTTP/1.1"))
            await response.unheld()
            await self._send(response)
            if headers.get("connection", "").lower() == "close":
                return

    async def _send(self, response):
        lines = [f"HTTP/1.1 {response.status} {http.client.responses[response.status]}",
                 *(f"{name}: {value}" for name, value in response.headers)]
        streams = not isinstance(response.body, bytes)
        if streams:
            lines.append("transfer-encoding: chunked")
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        if not streams:
            self.writer.write(response.body)
            await self.writer.drain()
            return
        await self._stream(response.body)

    async def _stream(self, body):
        """Send until the stream ends or the client disconnects."""
        sending = asyncio.ensure_future(self._send_chunks(body))
        hung_up = asyncio.ensure_future(self.reader.read(1))
        await asyncio.wait({sending, hung_up}, return_when=asyncio.FIRST_COMPLETED)
        sending_ended = sending.done()
        for task in (sending, hung_up):
            task.cancel()
        outcome, _ = await asyncio.gather(sending, hung_up, return_exceptions=True)
        await body.aclose()
        if isinstance(outcome, (Cut, Reset)):
            raise Cut
        if not sending_ended:
            raise ConnectionResetError("the client ended the watch")

    async def _send_chunks(self, body):
        await self.writer.drain()
        async for data in body:
            for piece in pieces(data, self.chunk):
                self.writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                await self.writer.drain()
        self.writer.write(b"0\r\n\r\n")
        await self.writer.drain()


class Http2:
    def __init__(self, reader, writer, handle, chunk):
        self.reader, self.writer, self.handle, self.chunk = reader, writer, handle, chunk
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False,
                                                                               header_encoding="utf-8"))
        self.requests = {}  # stream: (headers, body so far)
        self.tasks = {}  # stream: the task that answers
        self.window = asyncio.Event()

    async def run(self):
        self.connection.initiate_connection()
        self._flush()
        try:
            while data := await self.reader.read(65536):
                for event in self.connection.receive_data(data):
                    self._on_event(event)
                self._flush()
        finally:
            for task in self.tasks.values():
                task.cancel()

    def go_away(self):
        # Not with H2Connection.close_connection(), which would end all streams.
        self.writer.write(hyperframe.frame.GoAwayFrame(0, last_stream_id=2**31 - 1).serialize())

    def _flush(self):
        data = self.connection.data_to_send()
        if data and not self.writer.is_closing():
            self.writer.write(data)

    def _on_event(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.requests[event.stream_id] = (dict(event.headers), bytearray())
        elif isinstance(event, h2.events.DataReceived):
            self.requests[event.stream_id][1].extend(event.data)
            self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            if len(self.requests[event.stream_id][1]) > MAX_BODY:
                self.connection.reset_stream(event.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
        elif isinstance(event, h2.events.StreamEnded):
            self._start_answer(event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            if event.stream_id in self.tasks:
                self.tasks.pop(event.stream_id).cancel()
        elif isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
            self.window.set()

    def _start_answer(self, stream):
        headers, body = self.requests.pop(stream)
        request = Request(headers[":method"], headers[":path"], headers, bytes(body), "HTTP/2")
        task = asyncio.ensure_future(self._answer(stream, self.handle(request)))
        self.tasks[stream] = task
        task.add_done_callback(lambda _: self.tasks.pop(stream, None))

    async def _answer(self, stream, response):
        try:
            await response.unheld()
            self.connection.send_headers(stream, [(":status", str(response.status)), *response.headers])
            self._flush()
            if isinstance(response.body, bytes):
                await self._send(stream, response.body)
            else:
                async for data in response.body:
                    for piece in pieces(data, self.chunk):
                        await self._send(stream, piece)
            self.connection.end_stream(stream)
            self._flush()
        except Cut:
            self.writer.transport.abort()
        except Reset:
            self.connection.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
            self._flush()
        except (OSError, h2.exceptions.ProtocolError):
            pass  # the stream or the connection is closed; run() does the rest
        finally:
            if not isinstance(response.body, bytes):
                await response.body.aclose()

    async def _send(self, stream, data):
        """Send within the flow-control window; wait if it is full."""
        while data:
            room = min(self.connection.local_flow_control_window(stream), self.connection.max_outbound_frame_size)
            if room <= 0:
                self.window.clear()
                await self.window.wait()
                continue
            self.connection.send_data(stream, data[:room])
            self._flush()
            data = data[room:]
            await self.writer.drain()
