# SPDX-License-Identifier: Apache-2.0
"""
The API-server double: pods, events and secrets over HTTPS, as a Kubernetes API server speaks.

    apiserver.py --cert FILE --key FILE --tokens FILE --ready FILE [--port N] [--bookmark-seconds S] [--chunk N]
                 [--replay-pods FILE] [--replay-events FILE] [--replay-interval S] [--replay-until VERSION]

With --replay-..., recorded watch streams are played to whoever watches: see replay.py.
"""

import argparse
import asyncio
import json
import ssl

from api_auth import Tokens
from api_http import Server
from api_routes import Api
from api_store import Store
from procs import write_ready_file
from replay import Replay


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    for flag in ("--cert", "--key", "--tokens", "--ready"):
        parser.add_argument(flag, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bookmark-seconds", type=float, default=60.0)
    parser.add_argument("--chunk", type=int, default=0, help="bytes per write of a stream; 0: as they come")
    parser.add_argument("--replay-pods")
    parser.add_argument("--replay-events")
    parser.add_argument("--replay-interval", type=float, default=0.001, help="seconds between two changes")
    parser.add_argument("--replay-until", type=int, help="the last resourceVersion to play")
    return parser.parse_args()


async def main():
    args = parse_arguments()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(args.cert, args.key)
    tls.set_alpn_protocols(["h2", "http/1.1"])

    recordings = {"pods": args.replay_pods, "events": args.replay_events}
    replay = Replay({k: v for k, v in recordings.items() if v}, args.replay_interval, args.replay_until)
    store = Store(replay.first_version)
    api = Api(store, Tokens(args.tokens), args.bookmark_seconds, on_watch=replay.begin_with(store))

    server = await asyncio.start_server(Server(api.handle, args.chunk).serve, "127.0.0.1", args.port, ssl=tls,
                                        backlog=256)
    port = server.sockets[0].getsockname()[1]
    write_ready_file(args.ready, json.dumps({"url": f"https://127.0.0.1:{port}"}))
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
