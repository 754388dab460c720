// Names for what the kernel tells as numbers: hosts and services for --resolve and for the filter,
// control groups.
#pragma once

#include <chrono>
#include <span>

#include "cli/sockets/columns.h"
#include "diagnosis/filter/filter.h"

namespace connleak::cli {

// Services of TCP from getservent(3), hosts by cli/resolve.
FilterNames filter_names();

// Fills view.services and view.hosts (getnameinfo(3)) for the rows' addresses. Each address is
// asked for once; what has no answer within `limit` stays a number.
void resolve_names(std::span<const render::SocketRow> rows, std::chrono::milliseconds limit,
                   render::SocketsView& view);

// Fills view.cgroups with the paths of the rows' control groups, below the mount point of cgroup2.
// Those that are gone, or that we may not see, stay numbers.
void name_cgroups(std::span<const render::SocketRow> rows, render::SocketsView& view);

}  // namespace connleak::cli
