"""Proxies as they are run in front of Redis: real ones, and what stands for Docker's."""

import subprocess

from lab import HERE, PYTHON, eventually, run
from services import Service


class Proxy(Service):
    """A program that listens on the host's first address (or on `address`) and passes on to servers."""

    def __init__(self, host, port, command, address=None, **options):
        self.host, self.port, self.address = host, port, address or host.ip
        self.process = host.start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
        eventually(lambda: host.ss("-l", "sport", "=", f":{port}"), what=f"{command[0]} listens")


class Haproxy(Proxy):
    """mode tcp: a connection to a server for each client. `also`: more ports, each for another server."""

    def __init__(self, host, server, port=16379, address=None, also={}):
        lines = ["defaults", "  mode tcp", "  timeout connect 5s", "  timeout client 1h", "  timeout server 1h"]
        for at, target in {port: server, **also}.items():
            lines += [f"listen l{at}", f"  bind {address or host.ip}:{at}", f"  server s {target}"]
        config = host.lab.directory / f"haproxy-{host.name}-{port}.cfg"
        config.write_text("\n".join(lines) + "\n")
        super().__init__(host, port, ["haproxy", "-db", "-f", config], address)


class Nutcracker(Proxy):
    """Few connections to the server, for however many clients."""

    def __init__(self, host, server, port=22121):
        config = host.lab.directory / f"nutcracker-{host.name}.yml"
        config.write_text(f"alpha:\n  listen: {host.ip}:{port}\n  hash: fnv1a_64\n  distribution: ketama\n"
                          f"  redis: true\n  servers:\n   - {server}:1\n")
        super().__init__(host, port, ["nutcracker", "-c", config, "-a", "127.0.0.1", "-s", "22222"])


class Stunnel(Proxy):
    """TLS on one side: what goes in and out differs in length."""

    def __init__(self, host, server, port, address=None, client=False):
        folder = host.lab.directory / f"stunnel-{host.name}"
        folder.mkdir()
        certificate = folder / "both.pem"
        if not client:
            run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-days", "9",
                 "-keyout", certificate, "-out", folder / "only.pem"])
            certificate.write_text(certificate.read_text() + (folder / "only.pem").read_text())
        config = folder / "stunnel.conf"
        config.write_text("foreground = quiet\npid =\n[redis]\n" + f"client = {'yes' if client else 'no'}\n"
                          f"accept = {address or host.ip}:{port}\nconnect = {server}\n"
                          + ("" if client else f"cert = {certificate}\n"))
        super().__init__(host, port, ["stunnel4", config], address)


class DockerProxy(Proxy):
    """What Docker starts for a published port where it cannot, or shall not, rewrite packets."""

    def __init__(self, host, server, port=6379, address="0.0.0.0"):
        program = host.lab.directory / "docker-proxy"
        if not program.exists():
            program.symlink_to(PYTHON)
        target = server.rsplit(":", 1)
        super().__init__(host, port, [program, HERE / "peers/peer.py", "proxy", address, port, *target], address)
