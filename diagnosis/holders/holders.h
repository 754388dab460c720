// Who holds the connections: by process and by group.
#pragma once

#include <optional>
#include <span>

#include "diagnosis/model/report.h"

namespace connleak {

template <typename T>
void raise_to(std::optional<T>& highest, std::optional<T> value) {
    if (value && (!highest || *value > *highest)) highest = value;
}

// A connection counts once even if several processes share it: for its oldest owner, and among
// equally old ones for the lowest pid. nullptr: no owner is known.
const Process* holder_of(const Processes& processes, std::span<const Owner> owners);

// Fills report.holders, report.groups and each connection's group from the owners of its client
// side.
void name_holders(const Sample& sample, const Policy& policy, Report& report);

// Adds the limit of the PHP-FPM pool, if the group is a pool of this host.
void add_pool_limit(const Processes& processes, Group& group);

// The process of a holder, on any host.
const Process& holder_of(const Sample& sample, const Holder& holder);

}  // namespace connleak
