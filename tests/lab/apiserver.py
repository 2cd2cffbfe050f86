# SPDX-License-Identifier: Apache-2.0
"""
The double of the API server: pods, events and secrets over HTTPS, like a Kubernetes API server.

    apiserver.py --cert FILE --key FILE --control-cert FILE --control-key FILE --tokens FILE --rbac FILE...
                 --ready FILE [--port N] [--bookmark-seconds S] [--chunk N]
                 [--replay-pods FILE] [--replay-events FILE] [--replay-interval S] [--replay-until VERSION]

With --replay-... it replays recorded watch streams to its watches: see replay.py.

It listens on two ports: one for the agent, where faults apply, and one for all others, which also controls the
faults: see api_control.py and api_faults.py.
"""

import argparse
import asyncio
import json
import socket
import ssl

from api_auth import Rights, Tokens
from api_control import Control
from api_faults import Faults
from api_http import Server
from api_routes import Api
from api_store import Store
from procs import write_ready_file
from replay import Replay


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    for flag in ("--cert", "--key", "--control-cert", "--control-key", "--tokens", "--ready"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--rbac", required=True, nargs="+", help="YAML files with what the agent may do")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bookmark-seconds", type=float, default=60.0)
    parser.add_argument("--chunk", type=int, default=0, help="bytes per write of a stream; 0: as they come")
    parser.add_argument("--replay-pods")
    parser.add_argument("--replay-events")
    parser.add_argument("--replay-interval", type=float, default=0.001, help="seconds between two changes")
    parser.add_argument("--replay-until", type=int, help="the last resourceVersion to play")
    return parser.parse_args()


class Listener:
    """One port. It keeps its number while it is down."""

    def __init__(self, server, cert, key, port=0):
        self.server, self._files = server, (cert, key)
        self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._tls.set_alpn_protocols(["h2", "http/1.1"])
        self.load_certificate()
        self._port, self._socket, self._accepting = port, None, None

    def load_certificate(self):
        """Use it for new connections; open ones keep the old one."""
        self._tls.load_cert_chain(*self._files)

    @property
    def url(self):
        return f"https://127.0.0.1:{self._port}"

    def up(self):
        if self._socket is None:
            self._socket = socket.create_server(("127.0.0.1", self._port), backlog=256)
            self._port = self._socket.getsockname()[1]
            self._accepting = asyncio.ensure_future(
                asyncio.start_server(self.server.serve, sock=self._socket, ssl=self._tls))

    def down(self):
        """Close all connections and accept no new one."""
        if self._socket is not None:
            self._accepting.add_done_callback(lambda started: started.result().close())
            self._socket = None
        self.server.cut_connections()


async def main():
    args = parse_arguments()
    recordings = {"pods": args.replay_pods, "events": args.replay_events}
    replay = Replay({k: v for k, v in recordings.items() if v}, args.replay_interval, args.replay_until)
    store = Store(replay.first_version)
    api = Api(store, Tokens(args.tokens), Rights(args.rbac), args.bookmark_seconds, on_watch=replay.begin_with(store))
    listener = Listener(Server(api.handle, args.chunk), args.cert, args.key, args.port)
    control = Listener(Server(api.handle), args.control_cert, args.control_key)
    api.faults = Faults(api)
    api.control = Control(api, api.faults, listener)

    listener.up()
    control.up()
    write_ready_file(args.ready, json.dumps({"url": listener.url, "control_url": control.url}))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
