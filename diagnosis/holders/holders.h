// Who holds the connections: by process, and by the group that a person thinks in.
#pragma once

#include <optional>
#include <span>

#include "diagnosis/model/report.h"

namespace connleak {

template <typename T>
void raise_to(std::optional<T>& highest, std::optional<T> value) {
    if (value && (!highest || *value > *highest)) highest = value;
}

// A connection counts once, whatever number of processes share it: for the oldest of its owners,
// and of those for the one with the lowest pid. nullptr when none of them is known.
const Process* holder_of(const Processes& processes, std::span<const Owner> owners);

// Fills report.holders, report.groups and the group of each connection from its client side's
// owners.
void name_holders(const Sample& sample, const Policy& policy, Report& report);

// The limit of the PHP-FPM pool that the group is, if it is one of this host.
void add_pool_limit(const Processes& processes, Group& group);

// The process that a holder is, on whichever host.
const Process& holder_of(const Sample& sample, const Holder& holder);

}  // namespace connleak
