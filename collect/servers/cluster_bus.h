// The port by which the servers of a cluster talk to one another: Redis Cluster's bus, Galera's and
// MySQL's group replication. It is no place for clients, and its links stand in no client list.
#pragma once

#include <vector>

#include "diagnosis/model/records.h"

namespace connleak::collect {

// Until the server is asked its ports tell, by what its family's links listen on: of two that are
// 10000 apart the higher one is Redis's bus; MySQL's are known by their usual numbers.
void part_links(Server& server);

// A port that a TARGET names is one for clients, until the server says otherwise.
void keep_port(std::uint16_t port, Server& server);

// After the servers were asked: a port that discovery took for a bus is an ordinary one again where
// the server is in no cluster, and one that only the server tells (cluster-port) is a bus.
std::vector<Server> with_settled_bus(std::vector<Server> servers);

// With the links of each bus counted among the sockets.
std::vector<Server> with_bus_links(std::vector<Server> servers, const std::vector<Socket>& sockets);

}  // namespace connleak::collect
