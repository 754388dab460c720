// What a connection is for. Links between servers are named as such: they live as long as the
// servers, maintain themselves, and are not a leak.
#pragma once

#include <string>

#include "diagnosis/model/report.h"

namespace connleak {

// From the server's own row if it says, else from the process that holds the client's end.
Purpose purpose_of(const Sample& sample, const Connection& connection);

// For a link: "redis replica 10.0.0.2:6379", "sentinel 10.0.0.3". "" for a client's connection.
std::string link_name(const Sample& sample, const Connection& connection);

// Whether it is a link between servers: they ping, time out and reconnect by themselves.
inline bool is_link(const Connection& connection) {
    return connection.purpose == Purpose::replication || connection.purpose == Purpose::sentinel;
}

}  // namespace connleak
