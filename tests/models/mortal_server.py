"""A chat server in a process of its own that dies once it has given LIMIT answers: PORT LOG LIMIT.

It answers A or B, and writes down each request that it answers; the probe's aside.
"""

import hashlib
import json
import os
import sys
from pathlib import Path

import uvicorn
from endpoint_server import PROBE, Server
from starlette.applications import Starlette
from starlette.routing import Route


class Mortal(Server):
    def completion(self, body):
        asked = json.dumps(body, sort_keys=True)
        if PROBE not in asked:
            if len(LOG.read_text().splitlines()) >= LIMIT:
                os._exit(9)
            with LOG.open("a") as file:
                file.write(f"{asked}\n")
        return super().completion(body)

    def choice(self, body, i, told):
        made = super().choice(body, i, told)
        digest = hashlib.sha256(f"{body['messages'][-1]['content']} {body.get('seed')} {i}".encode()).digest()
        made["message"]["content"] = "AB"[digest[0] % 2]
        return made


if __name__ == "__main__":
    port, LOG, LIMIT = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    LOG.touch()
    server = Mortal(honours=frozenset({"n", "seed"}))
    routes = [Route("/v1/chat/completions", server.chat, methods=["POST"]), Route("/v1/models", server.list)]
    uvicorn.run(Starlette(routes=routes), host="127.0.0.1", port=port, log_level="critical", lifespan="off")
