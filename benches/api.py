"""Asks a server so many times a second, by the clock: api.py ADDRESS PROCESS SECONDS RATE

Every request has a moment at which it is due, whatever became of those before; how long it took is counted from there.
"""

import asyncio
import collections
import json
import sys
import time
import urllib.request

ADDRESS, PROCESS, SECONDS, RATE = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
HOST, PORT = ADDRESS.removeprefix("http://").split(":")
PATHS = ["/api/v1/pipelines", "/api/v1/runs?limit=50", "/api/loads?table_name=out.p1", "/", "/metrics"]
CONNECTIONS = 50
# Before anything is counted: connections are made, caches filled.
WARM_UP = 10.0


def memory(name):
    with open(f"/proc/{PROCESS}/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(name + ":"))


def get(path):
    with urllib.request.urlopen(ADDRESS + path) as answer:
        return json.load(answer)


def long_run():
    return get("/api/v1/pipelines/long")["live"]


async def ask(free, path):
    connection = await free.get()
    try:
        if connection is None:
            connection = await asyncio.open_connection(HOST, PORT)
        reader, writer = connection
        writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        await reader.readexactly(length)
        status = int(head[9:12])
    except Exception as error:
        connection, status = None, type(error).__name__
    free.put_nowait(connection)
    return status


async def all_of(free, seconds):
    took, wrong = collections.defaultdict(list), collections.Counter()

    async def one(number, due):
        path = PATHS[number % len(PATHS)]
        status = await ask(free, path)
        took[path].append(time.monotonic() - due)
        if status != 200:
            wrong[f"{path} {status}"] += 1

    begun, tasks = time.monotonic(), set()
    for number in range(int(seconds * RATE)):
        due = begun + number / RATE
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(one(number, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    return took, wrong, time.monotonic() - begun


def told(name, times):
    times.sort()
    at = lambda share: times[min(len(times) - 1, int(len(times) * share))] * 1000
    print(f"{name:32} {len(times):7} {at(0.5):8.1f} {at(0.99):8.1f} {times[-1] * 1000:8.1f}")


async def main():
    free = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(None)
    await all_of(free, WARM_UP)
    before, rows = memory("VmRSS"), long_run()
    took, wrong, seconds = await all_of(free, SECONDS)
    after, more = memory("VmRSS"), long_run()
    if not rows or not more:
        sys.exit("the long pipeline does not run any more: ask for fewer seconds, or give it more rows")
    print(f"{sum(map(len, took.values())) / seconds:.0f} requests/s for {seconds:.0f} s, {CONNECTIONS} connections, {sum(wrong.values())} errors {dict(wrong) or ''}")
    print(f"{'':32} {'':>7} {'p50 ms':>8} {'p99 ms':>8} {'max ms':>8}")
    for path in PATHS:
        told(path, took[path])
    told("all", [one for times in took.values() for one in times])
    moved, runs = more["flows"][0]["rows"] - rows["flows"][0]["rows"], len(get("/api/v1/runs?limit=1000")["runs"])
    print(f"memory: {before:.0f} MiB before, {after:.0f} MiB after, {memory('VmHWM'):.0f} MiB at most; meanwhile {moved:,} rows were read, {runs} runs are known")


asyncio.run(main())
