"""Attacks on sockets, of the network and of the host."""

from tests.escape.attack import EPERM, REFUSED, Attack

NETWORK = [
    Attack(
        name="make sockets",
        code="""
def attack():
    for family in (1, 2, 10, 16, 17, 21, 31, 38, 40, 44):
        for kind in (1, 2, 3, 5):
            call("socket", family, kind, 0)
    tried("by Python", socket.socket)
""",
        proofs=41,
    ),
    Attack(
        name="connect",
        code="""
def attack():
    tried("tcp", socket.create_connection, ("127.0.0.1", w["tcp_port"]))
    for path in (w["stream_path"], w["abstract"]):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            tried(path, lambda: socket.socket(socket.AF_UNIX, kind).connect(path))
    tried("look up", socket.getaddrinfo, "localhost", 80)
    evidence[-1][2] = 1 if evidence[-1][1] == "errno" else "an address"  # its numbers are of its own
""",
        proofs=6,
    ),
    Attack(
        name="pairs of sockets that can be redirected",
        code="""
def attack():
    for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW):
        for flags in (0, socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC):
            tried(f"{kind} {flags}", socket.socketpair, socket.AF_UNIX, kind | flags)
    for family in (socket.AF_INET, socket.AF_INET6, 30):
        tried(f"family {family}", socket.socketpair, family, socket.SOCK_STREAM)
""",
        proofs=9,
    ),
    Attack(
        name="send through a pair of datagrams",
        code="""
def attack():
    def send():
        socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0].sendto(b"x", w["datagram_path"])
    tried("pair", send)
""",
    ),
    Attack(
        name="redirect a pair or the channel",
        code="""
def attack():
    one, other = socket.socketpair()
    for sock in (one, socket.socket(fileno=os.dup(3))):
        for address in (w["stream_path"], w["datagram_path"], w["abstract"]):
            tried("connect", sock.connect, address)
            tried("sendto", sock.sendto, b"x", address)
            tried("bind", sock.bind, address + "-new")
        tried("listen", sock.listen)
        tried("accept", sock.accept)
        tried("option", sock.setsockopt, socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
""",
        errnos=frozenset({EPERM}),
        proofs=24,
    ),
    Attack(
        name="send descriptors",
        code="""
def attack():
    import array
    one, other = socket.socketpair()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [one.fileno()] * 200))]
    for _ in range(3):  # in flight they count against every process of the same user
        tried("to itself", one.sendmsg, [b"x"], rights)
    channel = socket.socket(fileno=os.dup(3))
    tried("to the owner", channel.sendmsg, [b"x"], rights)
    channel.detach()
""",
        errnos=REFUSED,
        proofs=4,
    ),
]
