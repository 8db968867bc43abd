"""What a JavaScript cell refuses, by full names, and which modules Node brings.

SURELY throws in every cell, whatever the arguments.
"""

from typing import Final

from .. import words


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


MODULES: Final = {
    "fs": words.READ,
    "fs/promises": words.READ,
    "net": words.CONNECT,
    "tls": words.CONNECT,
    "http": words.CONNECT,
    "https": words.CONNECT,
    "http2": words.CONNECT,
    "dgram": words.CONNECT,
    "dns": words.LOOK_UP,
    "dns/promises": words.LOOK_UP,
    "child_process": words.START,
    "cluster": words.START,
    "worker_threads": words.THREAD,
    "inspector": words.INSPECT,
    "inspector/promises": words.INSPECT,
    "repl": words.ASK,
}
"""Modules of which all is refused but what HARMLESS lists, and what they are for."""

HARMLESS: Final = _names("""
    fs.existsSync fs.statSync fs.lstatSync fs.stat fs.lstat fs.accessSync fs.access fs.constants
    fs/promises.stat fs/promises.lstat fs/promises.access net.isIP net.isIPv4 net.isIPv6 net.BlockList
    net.SocketAddress http.validateHeaderName http.validateHeaderValue http.Agent https.Agent
    http2.getDefaultSettings tls.getCiphers dns.getServers dns.getDefaultResultOrder
    worker_threads.MessageChannel worker_threads.receiveMessageOnPort
    worker_threads.markAsUntransferable worker_threads.setEnvironmentData
    worker_threads.getEnvironmentData inspector.url inspector.close
""")

FILES: Final = (
    *(("mkdtemp", words.TEMPORARY), ("readdir", words.LIST), ("opendir", words.LIST), ("glob", words.LIST)),
    *(("watch", words.WATCH), ("unwatch", words.WATCH), ("read", words.READ), ("open", words.READ)),
    *(("createRead", words.READ), ("realpath", words.READ), ("createWrite", words.WRITE)),
    *(("write", words.WRITE), ("append", words.WRITE), ("", words.CHANGE)),
)
"""What the functions of `fs` do, by how their names begin; the first that fits."""

SURE_FILES: Final = _names("""
    writeFile appendFile unlink rmdir rename copyFile chmod chown symlink link truncate utimes mkdtemp
""")
"""Those that fail in every cell when they are given a path: with `Sync`, or as promises once awaited."""

SURELY: Final = {
    "child_process.execSync": words.START,
    "child_process.execFileSync": words.START,
    "process.dlopen": words.LOAD,
    "process.setuid": words.RANK,
    "process.setgid": words.RANK,
    "process.chdir": words.ENTER,
}

PERHAPS: Final = {
    "WebSocket": words.CONNECT,
    "EventSource": words.CONNECT,
    "XMLHttpRequest": words.CONNECT,
    "Worker": words.THREAD,
    "process.binding": words.BIND,
    "process._linkedBinding": words.BIND,
    "process.kill": words.SIGNAL,
    "process.seteuid": words.RANK,
    "process.setegid": words.RANK,
    "process.setgroups": words.RANK,
    "process.initgroups": words.RANK,
    "os.setPriority": words.RANK,
}

ENDS: Final = frozenset({"process.exit", "process.abort", "process.reallyExit"})

STANDARD: Final = _names("""
    assert assert/strict async_hooks buffer console constants crypto diagnostics_channel domain events
    module os path path/posix path/win32 perf_hooks process punycode querystring readline
    readline/promises stream stream/consumers stream/promises stream/web string_decoder sys
    timers timers/promises trace_events tty url util util/types v8 vm wasi zlib
""") | set(MODULES)
"""Modules of Node itself, without `node:`."""

PREFIXED: Final = _names("sea sqlite test test/reporters")
"""Those that are known with `node:` only."""

PROMISES: Final = _names("then catch finally")
"""Members of the promise that import() gives, and not of the module."""
