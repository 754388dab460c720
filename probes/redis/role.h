// The role and topology of a server, read from INFO. Internal to probes/redis*.
#pragma once

#include <string_view>
#include <unordered_map>

#include "diagnosis/model/server_role.h"

namespace connleak::probes {

ServerTopology parse_topology(const std::unordered_map<std::string_view, std::string_view>& info);

}  // namespace connleak::probes
