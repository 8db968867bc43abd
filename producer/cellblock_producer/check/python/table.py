"""What a Python cell refuses, by full names. SURELY fails in every cell, whatever the arguments.

A name that ends in `()` and a method is one of an object: `smtplib.SMTP().connect`.
"""

import sys
from typing import Final

from .. import words


def _split(table: dict[str, str]) -> dict[str, str]:
    return {name: does for does, names in table.items() for name in names.split()}


SURELY: Final = _split(
    {
        words.CONNECT: """
            socket.create_connection urllib.request.urlretrieve
            http.client.HTTPConnection().request http.client.HTTPConnection().connect
            http.client.HTTPSConnection().request http.client.HTTPSConnection().connect
            smtplib.SMTP().connect imaplib.IMAP4 imaplib.IMAP4_SSL poplib.POP3 poplib.POP3_SSL
            ssl.get_server_certificate""",
        words.LISTEN: """
            socket.create_server socketserver.TCPServer socketserver.ThreadingTCPServer
            socketserver.UDPServer http.server.HTTPServer http.server.ThreadingHTTPServer
            xmlrpc.server.SimpleXMLRPCServer wsgiref.simple_server.make_server""",
        words.START: """
            subprocess.run subprocess.Popen subprocess.call subprocess.check_call
            subprocess.check_output subprocess.getoutput subprocess.getstatusoutput
            os.popen os.fork os.forkpty os.execv os.execl os.execle os.execlp os.execlpe os.execve
            os.execvp os.execvpe os.posix_spawn os.posix_spawnp os.spawnl os.spawnle os.spawnlp
            os.spawnlpe os.spawnv os.spawnve os.spawnvp os.spawnvpe pty.fork pty.spawn
            multiprocessing.Process().start multiprocessing.Pool multiprocessing.Manager
            concurrent.futures.ProcessPoolExecutor concurrent.futures.process.ProcessPoolExecutor""",
        words.CHANGE: """
            os.remove os.unlink os.rename os.renames os.replace os.mkdir os.rmdir os.removedirs
            os.link os.symlink os.truncate os.utime os.chmod os.chown os.lchown os.mkfifo os.mknod
            os.setxattr os.removexattr
            pathlib.Path().touch pathlib.Path().unlink pathlib.Path().rmdir pathlib.Path().rename
            pathlib.Path().replace pathlib.Path().chmod pathlib.Path().symlink_to
            pathlib.Path().hardlink_to shutil.copy shutil.copy2 shutil.copyfile shutil.copytree
            shutil.move venv.create""",
        words.WRITE: """
            pathlib.Path().write_text pathlib.Path().write_bytes shelve.open""",
        words.ENTER: "os.chdir os.fchdir",
        words.TEMPORARY: """
            tempfile.TemporaryFile tempfile.NamedTemporaryFile tempfile.TemporaryDirectory
            tempfile.mkdtemp tempfile.mkstemp""",
        words.SHARE: """
            multiprocessing.Queue multiprocessing.JoinableQueue multiprocessing.SimpleQueue
            multiprocessing.Lock multiprocessing.RLock multiprocessing.Event
            multiprocessing.Semaphore multiprocessing.Value multiprocessing.Array
            multiprocessing.pool.ThreadPool multiprocessing.shared_memory.SharedMemory
            os.memfd_create""",
        words.RANK: """
            os.nice os.setuid os.setgid os.seteuid os.setegid os.setgroups os.initgroups os.setsid
            os.setpgid os.chroot os.setpriority os.sched_setaffinity""",
    }
)
"""What it does, by the name of what is called."""

AWAITED: Final = _split({words.START: "asyncio.create_subprocess_exec asyncio.create_subprocess_shell"})
"""Coroutines that fail as surely, once they run."""

COROUTINES: Final = frozenset(AWAITED) | {"asyncio.open_connection", "asyncio.open_unix_connection"}
"""Calls that do nothing until they are awaited."""

PERHAPS: Final = _split(
    {
        words.CONNECT: """
            socket.fromfd logging.handlers.SysLogHandler
            asyncio.Loop().create_connection asyncio.Loop().create_datagram_endpoint
            urllib.request.build_opener().open urllib.request.OpenerDirector().open
            xmlrpc.client.ServerProxy ftplib.FTP_TLS smtplib.LMTP smtplib.SMTP().sendmail
            smtplib.SMTP().send_message nntplib.NNTP nntplib.NNTP_SSL telnetlib.Telnet webbrowser.open""",
        words.LISTEN: """
            asyncio.start_server asyncio.start_unix_server asyncio.Loop().create_server""",
        words.LOOK_UP: """
            socket.getaddrinfo socket.gethostbyname socket.gethostbyname_ex socket.gethostbyaddr
            asyncio.Loop().getaddrinfo""",
        words.START: """
            os.system os.startfile asyncio.Loop().subprocess_exec asyncio.Loop().subprocess_shell""",
        words.TEMPORARY: "tempfile.gettempdir",
        words.SIGNAL: "os.kill os.killpg signal.pidfd_send_signal",
        words.READ: """
            pathlib.Path().read_text pathlib.Path().read_bytes os.open os.readlink os.path.getsize
            os.path.getmtime linecache.getlines linecache.getline fileinput.input runpy.run_path
            filecmp.cmp netrc.netrc""",
        words.LIST: """
            os.listdir os.scandir os.walk glob.glob glob.iglob pathlib.Path().iterdir
            pathlib.Path().glob pathlib.Path().rglob pathlib.Path().walk""",
        words.CHANGE: """
            os.makedirs pathlib.Path().mkdir shutil.rmtree shutil.make_archive
            shutil.unpack_archive shutil.chown""",
    }
)
"""What is refused for most arguments, or is refused without an error."""

PURPOSES: Final = {
    "socket": words.CONNECT,
    "urllib.request": words.CONNECT,
    "http.client": words.CONNECT,
    "http.server": words.LISTEN,
    "socketserver": words.LISTEN,
    "smtplib": words.CONNECT,
    "ftplib": words.CONNECT,
    "imaplib": words.CONNECT,
    "poplib": words.CONNECT,
    "telnetlib": words.CONNECT,
    "nntplib": words.CONNECT,
    "subprocess": words.START,
    "multiprocessing": words.START,
    "pty": words.START,
    "tempfile": words.TEMPORARY,
    "shutil": words.CHANGE,
}
"""Modules that import well and are of no use in a cell."""

_ELSEWHERE: Final = {"msvcrt", "nt", "winreg", "winsound", "_winapi", "_scproxy", "_msi", "msilib"}

STANDARD: Final = frozenset(sys.stdlib_module_names) - _ELSEWHERE
"""Modules of the standard library of the interpreter that we run on."""
