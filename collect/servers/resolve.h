// Resolves host names, with a timeout.
#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <vector>

#include "diagnosis/model/address.h"

namespace connleak::collect {

// Numeric addresses need no lookup; names are looked up (getaddrinfo(3)) for at most `limit`. The
// error is a phrase without the name.
std::expected<std::vector<Address>, std::string> resolve(const std::string& host,
                                                         std::chrono::milliseconds limit);

}  // namespace connleak::collect
