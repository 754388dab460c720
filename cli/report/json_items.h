// The objects of a report, one builder each: items of the JSON document's lists and lines of
// NDJSON.
#pragma once

#include "cli/render/json_parts.h"
#include "cli/report/json.h"

namespace connleak::render {

Json json_generator();
Json json_host(const RunFacts& head);
Json json_probes(const Probes& probes);
Json json_cost(const RunFacts& head, const Sample& sample);

// The first members of every document: schema_version, generator, generated_at, host, complete,
// gaps.
void add_head(Document& document, const RunFacts& head, const Sample& sample);

Json json_port(const Endpoint& end);
// null if it equals `than`.
Json json_if_other(const Endpoint& end, const Endpoint& than);

// The reference to a server in other objects: {"address": …, "port": …}.
Json server_key(const Server& server);
Json json_server(const Server& value, const ServerCounts& counts);
Json json_connection(const Sample& sample, const Connection& value);
Json json_process(const Sample& sample, const Holder& holder);
Json json_group(const Sample& sample, const Group& value);
Json json_finding(const Sample& sample, const Finding& value);

}  // namespace connleak::render
