"""Servers that hold together: replicas, clusters, Sentinels, made of the program that services.py starts."""

from lab import eventually
from services import CLI, SERVER, Redis, Service


def replica_of(master, host, **config):
    """A replica of `master`, once their link is up."""
    master.cli("CONFIG", "SET", "repl-diskless-sync-delay", "0")
    replica = Redis(host, master.port, replicaof=f"{master.host.ip} {master.port}", **config)
    eventually(lambda: info(replica, "replication").get("master_link_status") == "up", what="the replica's link is up")
    return replica


def info(redis, section):
    return dict(line.split(":", 1) for line in redis.cli("INFO", section).splitlines() if ":" in line)


def cluster(*hosts, port=6379, **config):
    """A node on each host, each with its share of the slots, all of them known to all."""
    settings = {"cluster_enabled": "yes", "cluster_node_timeout": 15000} | config
    nodes = [Redis(host, port, name="node", **settings) for host in hosts]
    for number, node in enumerate(nodes):
        share = 16384 // len(nodes)
        first, last = number * share, 16383 if number == len(nodes) - 1 else (number + 1) * share - 1
        node.cli("CLUSTER", "ADDSLOTSRANGE", first, last)
    bus = settings.get("cluster_port", port + 10000)
    for node in nodes[1:]:
        nodes[0].cli("CLUSTER", "MEET", node.host.ip, node.port, bus)
    eventually(lambda: all("cluster_state:ok" in node.cli("CLUSTER", "INFO") for node in nodes), 30, what="the cluster")
    return nodes


class Sentinel(Service):
    """A Sentinel that watches `master` as "shop"."""

    def __init__(self, host, master, port=26379):
        self.host, self.port = host, port
        self.directory = host.lab.directory / f"sentinel-{host.name}-{port}"
        self.directory.mkdir()
        config = self.directory / "sentinel.conf"
        config.write_text(f"port {port}\nbind * -::*\nprotected-mode no\ndir {self.directory}\n"
                          f"logfile {self.directory}/log\nsentinel monitor shop {master.host.ip} {master.port} 2\n")
        self.process = host.start(SERVER, config, "--sentinel")
        eventually(lambda: self.cli("PING", check=False) == "PONG", what="the Sentinel answers")

    def cli(self, *words, check=True):
        return self.host.run(CLI, "-p", self.port, *words, check=check).stdout.strip()

    def knows(self, others, replicas):
        told = self.cli("SENTINEL", "MASTER", "shop").split("\n")
        facts = dict(zip(told[::2], told[1::2]))
        return (facts.get("num-other-sentinels"), facts.get("num-slaves")) == (str(others), str(replicas))


def sentinels(master, *hosts, replicas=0):
    """One on each host, once each of them knows the others and all replicas."""
    made = [Sentinel(host, master) for host in hosts]
    eventually(lambda: all(each.knows(len(made) - 1, replicas) for each in made), 30, what="the Sentinels know all")
    return made
