// Which clients are behind the proxies among the holders.
#pragma once

#include <string>

#include "diagnosis/model/report.h"

namespace connleak {

// Fills `proxy` of report.holders and report.groups, which must exist, and `proxied` of connections
// that carry exactly one client. Changes no verdict.
void name_proxies(const Sample& sample, const Policy& policy, Report& report);

// Who uses the connection: the holder's group, or for a proxy the group behind it ("php-fpm: pool
// shop, through haproxy"). "" when both are not in sight.
std::string user_of(const Connection& connection);

}  // namespace connleak
