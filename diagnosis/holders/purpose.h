// What a connection is there for: those by which servers hold together are named as such. They live
// as long as the servers do, look after themselves, and are nobody's leak.
#pragma once

#include <string>

#include "diagnosis/model/report.h"

namespace connleak {

// By the server's own row where that tells, else by the process that holds the client's end.
Purpose purpose_of(const Sample& sample, const Connection& connection);

// Of a link between servers: "redis replica 10.0.0.2:6379", "sentinel 10.0.0.3"; "" of a client's.
std::string link_name(const Sample& sample, const Connection& connection);

// Whether servers hold it to one another: they ping, time out and connect anew by themselves.
inline bool is_link(const Connection& connection) {
    return connection.purpose == Purpose::replication || connection.purpose == Purpose::sentinel;
}

}  // namespace connleak
