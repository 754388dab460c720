// Who is behind the proxies among the holders.
#pragma once

#include <string>

#include "diagnosis/model/report.h"

namespace connleak {

// Fills `proxy` of report.holders and report.groups, which must be there, and `proxied` of the
// connections that carry one client alone. It names, and changes no verdict.
void name_proxies(const Sample& sample, const Policy& policy, Report& report);

// Who is to be asked about the connection: the holder's group, or, past a proxy, who uses it
// ("php-fpm: pool shop, through haproxy"). "" when both are out of sight.
std::string user_of(const Connection& connection);

}  // namespace connleak
