"""`connleak sockets -x` beside ss: Unix sockets, who holds the other end, and who waits to be accepted."""

import re

import pytest

from report import connleak
from services import Redis
from sockets_lab import STATES, skmem, sockets, start, table


@pytest.mark.sanitize("Unix sockets")
def test_unix_sockets_as_ss(lab):
    host = lab.host("host")
    redis = Redis(host)
    path = lab.directory / "a name with blanks"
    server = start(host, f"""
        listener, abstract, nothing = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        listener.bind({str(path)!r})
        listener.listen(7)
        abstract.bind(b"\\0hidden\\0\\x1b[31m \\xff")
        abstract.listen(5)
        datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        datagram.bind("\\0datagram")
        pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pair[0].send(b"12345")
        """)
    client = start(host, f"""
        one, two = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
        one.connect({str(path)!r})
        two.connect({str(redis.socket)!r})
        """)
    ours = sockets("-N", host.netns, "-ax")["sockets"]
    theirs = []
    for line in host.run("ss", "-HxapmO", errors="replace").stdout.splitlines():
        kind, state, received, sent, rest = line.split(maxsplit=4)
        users = rest.split("users:")[-1] if "users:" in rest else ""
        name, inode, peer_inode = re.match(r"(.*?) (\d+) +\* (\d+)", rest).groups()
        theirs.append((kind, STATES[state], int(received), int(sent), int(inode), int(peer_inode),
                       sorted(skmem(rest).items()), tuple(sorted((int(pid), int(fd)) for pid, fd in re.findall(r"pid=(\d+),fd=(\d+)", users)))))
    kinds = {"stream": "u_str", "datagram": "u_dgr", "seqpacket": "u_seq"}
    assert sorted(theirs) == sorted(
        (kinds[row["socket_type"]], row["state"], row["rx_queue_bytes"], row["tx_queue_bytes"], row["inode"] or 0,
         (row["peer"] or {"inode": 0})["inode"] or 0, sorted(row["memory"].items()), tuple(sorted((o["pid"], o["fd"]) for o in row["owners"])))
        for row in ours)

    def of(pid, **what):
        return [row for row in ours if pid in {owner["pid"] for owner in row["owners"]}
                and all(row[name] == value for name, value in what.items())]

    assert of(server.pid, state="listen", local={"path": str(path)})
    assert of(server.pid, state="listen")[1]["local"]["path"] == "@hidden@\x1b[31m \ufffd"
    assert of(server.pid, socket_type="datagram", local={"path": "@datagram"})
    # The other end, by its process; of a connection that is not accepted yet the listener, and the other way round.
    waiting, to_redis = sorted((row["peer"] for row in of(client.pid)), key=lambda peer: peer["inode"] or 0)
    assert (waiting["path"], waiting["inode"]) == (str(path), None)
    assert [owner["pid"] for owner in waiting["owners"]] == [server.pid]
    inode = next(row["inode"] for row in of(client.pid) if row["peer"] == waiting)
    listener = of(server.pid, state="listen", local={"path": str(path)})[0]
    assert [(end["inode"], [owner["pid"] for owner in end["owners"]]) for end in listener["pending"]] == \
        [(inode, [client.pid])]
    assert [row for row in ours if row["pending"]] == [listener]
    columns = ["-o", "state,process,peer-process", "-H"]
    assert ["ESTAB", f"{client.pid}/python3", f"{server.pid}/python3"] in table("-N", host.netns, "-x", *columns)
    assert ["LISTEN", f"{server.pid}/python3", f"{client.pid}/python3"] in table("-N", host.netns, "-xl", *columns)
    assert to_redis["path"] == str(redis.socket)
    assert [owner["pid"] for owner in to_redis["owners"]] == [redis.pid]
    text = connleak("sockets", "-N", host.netns, "-ax").stdout.decode("utf-8", errors="strict")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", text)
    assert str(path) in text and r"@hidden@\x1b[31m \xff" in text
    heading = text.splitlines()[0].split()
    assert heading == "PROTO STATE RECV-Q SEND-Q LOCAL INODE REMOTE PEER-INODE PROCESS PEER-PROCESS".split()
    line = next(line for line in text.splitlines() if str(redis.socket) in line and f"{client.pid}/" in line)
    assert line.endswith(f"{redis.pid}/redis-server") or line.split()[-2] == f"{redis.pid}/redis-server"
    assert [row for row in sockets("-N", host.netns, "-x", f"pid = {client.pid}")["sockets"]] == \
        [row for row in sockets("-N", host.netns, "-x")["sockets"] if row in of(client.pid)]


@pytest.mark.sanitize("Unix clients that wait")
def test_more_unix_clients_wait_than_the_kernel_tells(lab):
    """Its list of them ends at a page of memory: then it is said that they are not known, and all else is shown."""
    host = lab.host("host")
    server = start(host, """
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, [resource.getrlimit(resource.RLIMIT_NOFILE)[1]] * 2)
        listener, waiting = socket.socket(socket.AF_UNIX), []
        listener.bind("\\0crowded")
        listener.listen(4000)
        for _ in range(2000):
            waiting.append(socket.socket(socket.AF_UNIX))
            waiting[-1].connect("\\0crowded")
        """)
    document = sockets("-N", host.netns, "-ax")
    listener = [row for row in document["sockets"] if row["state"] == "listen"]
    assert [(row["rx_queue_bytes"], row["pending"]) for row in listener] == [(2000, [])]
    assert len([row for row in document["sockets"] if row["owners"]]) == 2001
    assert [(gap["source"], gap["error"]) for gap in document["gaps"] if "accept" in gap["effect"]] == \
        [("netlink", "EMSGSIZE")]
    assert document["complete"] is False and server.poll() is None
