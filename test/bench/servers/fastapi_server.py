"""The system that this library is modelled on: `python3 fastapi_server.py bare`, or how the tasks are defined, async or def."""

import os
import socket
import sys
import threading
import time
import tracemalloc

import uvicorn
from fastapi import BackgroundTasks, FastAPI

how = sys.argv[1]
answer = {"message": "Hello, world"}
counted = {"served": 0, "added": 0, "ran": 0}
clock = {"started": 0.0, "ended": 0.0}
# A task that is not async runs in a thread, one at a time for a list, but beside those of other requests.
lock = threading.Lock()
app = FastAPI()


def ended():
    with lock:
        counted["ran"] += 1
        if counted["ran"] == counted["added"]:
            clock["ended"] = time.perf_counter()


def burn(ms):
    end = time.perf_counter() + ms / 1000
    while time.perf_counter() < end:
        pass
    ended()


def trivial(n):
    ended()


async def burn_async(ms):
    burn(ms)


async def trivial_async(n):
    ended()


tasks_of = {"def": (trivial, burn), "async": (trivial_async, burn_async)}


def report():
    return {
        **counted,
        "ms": (clock["ended"] - clock["started"]) * 1000,
        "cpuUs": time.process_time() * 1e6,
    }


if how == "bare":

    @app.get("/0")
    async def bare():
        counted["served"] += 1
        return answer

else:
    trivial_task, burn_task = tasks_of[how]

    def trivially(n):
        async def handler(tasks: BackgroundTasks):
            counted["served"] += 1
            counted["added"] += n
            for i in range(n):
                tasks.add_task(trivial_task, i)
            return answer

        return handler

    for count in (0, 1, 10):
        app.get(f"/{count}")(trivially(count))

    @app.get("/burn")
    async def burn_route(n: int, ms: int, tasks: BackgroundTasks):
        counted["added"] += n
        for _ in range(n):
            tasks.add_task(burn_task, ms)
        return answer

    @app.get("/many")
    async def many(n: int, tasks: BackgroundTasks):
        counted["added"] += n
        clock["started"] = time.perf_counter()
        for i in range(n):
            tasks.add_task(trivial_task, i)
        return answer

    @app.get("/bytes")
    async def bytes_route(n: int):
        # The numbers are no part of what a task takes. In threads they would take long to run, and need not.
        numbers = list(range(n))
        tasks = BackgroundTasks()
        tracemalloc.start()
        for i in numbers:
            tasks.add_task(trivial_task, i)
        taken = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return {"bytes": taken / n}


@app.get("/report")
async def report_route():
    return report()


def end_with_parent():
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_parent, daemon=True).start()
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(2048)
print(listener.getsockname()[1], flush=True)
config = uvicorn.Config(app, loop="uvloop", http="httptools", log_level="warning", access_log=False)
uvicorn.Server(config).run(sockets=[listener])
