"""What goes wrong with connections, made with the kernel's own means and nothing faked."""

import contextlib

from lab import eventually


@contextlib.contextmanager
def cut_off(host, port):
    """While this lasts, the host neither sends nor hears a TCP segment of this port."""
    host.nft(f"""
        table inet clk_cut {{
            chain in  {{ type filter hook input priority 0;  tcp sport {port} drop; tcp dport {port} drop; }}
            chain out {{ type filter hook output priority 0; tcp sport {port} drop; tcp dport {port} drop; }}
        }}""")
    try:
        yield
    finally:
        host.nft("delete table inet clk_cut")


@contextlib.contextmanager
def dropping(host, hook, rule):
    """While this lasts, what the rule picks out is lost on the host's way in, out or forward."""
    host.nft(f"""
        table inet clk_drop {{
            chain lost {{ type filter hook {hook} priority 0; {rule} drop; }}
        }}""")
    try:
        yield
    finally:
        host.nft("delete table inet clk_drop")


def kill_sockets(host, filters):
    """filters: one ss expression per socket. Returns once the kernel has none of them any more."""
    filters = list(filters)
    for start in range(0, len(filters), 50):
        expression = " or ".join(f"( {one} )" for one in filters[start:start + 50])

        def ended():
            host.run("ss", "-tnK", expression)  # it, too, reads a table that moves
            # A socket that was bound by hand stays bound, and newer versions of ss show it: UNCONN.
            return all(row[0] == "UNCONN" for row in host.ss(expression))

        eventually(ended, what="ss -K has ended the sockets")


def settle(lab, endpoints, port):
    """Waits until nothing is in flight: what the other side sent again later would be answered by a reset."""
    ports = {e.port for e in endpoints}

    def in_flight():
        for host in lab.living():
            for row in host.ss("state", "connected", f"( sport = :{port} or dport = :{port} )"):
                if {int(row[3].rsplit(":", 1)[1]), int(row[4].rsplit(":", 1)[1])} & ports and "timer:(on," in row[-1]:
                    return True
        return False

    eventually(lambda: not in_flight(), what="everything sent is acknowledged")


def ghost_host_up(client_host, endpoints, port=6379, settled=True):
    """The client's host forgets the connections while nothing can tell the server."""
    if settled:
        settle(client_host.lab, endpoints, port)
    with cut_off(client_host, port):
        kill_sockets(client_host, [f"sport = :{e.port} and dport = :{port}" for e in endpoints])


def ghost_host_gone(client_host):
    """The client's host is no more."""
    eventually(lambda: not any("timer:(on," in row[-1] for host in client_host.lab.living() for row in host.ss()))
    client_host.vanish()


def orphan(server_host, endpoints, port=6379):
    """The server's host forgets the connections while nothing can tell the clients."""
    settle(server_host.lab, endpoints, port)
    with cut_off(server_host, port):
        kill_sockets(server_host, [f"sport = :{port} and dport = :{e.port}" for e in endpoints])


def close_wait_at_client(redis, endpoints):
    """The server closes; the client, which never reads, does not notice."""
    for endpoint in endpoints:
        redis.cli("CLIENT", "KILL", "ADDR", str(endpoint))


def in_state(host, state, port, endpoints):
    """Whether the host holds these connections (by the client's port) in this state, as ss names it."""
    ports = {e.port for e in endpoints}
    rows = [row for row in host.ss("sport", "=", f":{port}", "or", "dport", "=", f":{port}") if row[0] == state]
    held = {int(row[column].rsplit(":", 1)[1]) for row in rows for column in (3, 4)}
    return ports <= held
