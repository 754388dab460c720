// The port on which the servers of a cluster talk to each other: Redis Cluster's bus, Galera's and
// MySQL's group replication. Clients do not use it, and its links are in no client list.
#pragma once

#include <vector>

#include "diagnosis/model/records.h"

namespace connleak::collect {

// Guesses the bus ports before the server is asked, from what the links of its family listen on: of
// two ports that differ by 10000, the higher one is Redis's bus; MySQL's are known by their usual
// numbers.
void part_links(Server& server);

// Treats a port named by a TARGET as a client port until the server says otherwise.
void keep_port(std::uint16_t port, Server& server);

// Call it after the servers were asked: a port guessed to be a bus becomes an ordinary port if the
// server is in no cluster, and a port known only from the server's answer (cluster-port) becomes a
// bus.
std::vector<Server> with_settled_bus(std::vector<Server> servers);

// Counts the links of each bus among the sockets.
std::vector<Server> with_bus_links(std::vector<Server> servers, const std::vector<Socket>& sockets);

}  // namespace connleak::collect
