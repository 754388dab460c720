// Names for the kernel's numbers: hosts and services for --resolve and for the filter, and control
// groups.
#pragma once

#include <chrono>
#include <span>

#include "cli/sockets/columns.h"
#include "diagnosis/filter/filter.h"

namespace connleak::cli {

// Services of TCP from getservent(3), hosts from cli/resolve.
FilterNames filter_names();

// Fills view.services and view.hosts (getnameinfo(3)) for the rows' addresses. Each address is
// looked up once; without an answer within `limit` it stays numeric.
void resolve_names(std::span<const render::SocketRow> rows, std::chrono::milliseconds limit,
                   render::SocketsView& view);

// Fills view.cgroups with the paths of the rows' control groups, relative to the mount point of
// cgroup2. Control groups that are gone or not accessible stay numbers.
void name_cgroups(std::span<const render::SocketRow> rows, render::SocketsView& view);

}  // namespace connleak::cli
