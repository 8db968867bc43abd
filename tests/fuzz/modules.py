"""Random calls of whatever Node's modules export, made inside Node.js cells."""

from pathlib import Path

CODE = Path(__file__).with_name("modules.js").read_text()

# Left out in every second cell: they end it, hold it up, or call the code itself.
HARMLESS = (
    *("exit", "reallyExit", "abort", "_kill", "kill", "_rawDebug", "_debugProcess", "execve", "setTimeout"),
    *("wait", "crash", "main", "spawnSync", "setFlagsFromString", "setHeapSnapshotNearHeapLimit", "stop"),
    *("setUncaughtExceptionCaptureCallback", "removeAllListeners", "emit", "pbkdf2Sync", "scryptSync"),
    *("generateKeyPairSync", "generatePrimeSync", "writeHeapSnapshot", "getHeapSnapshot", "openStdin"),
)
