#include "cli/act/render.h"
#include "cli/report/json_items.h"
#include "diagnosis/model/server_family.h"

namespace connleak::render {

namespace {

Json outcome(const std::optional<Outcome>& value) {
    return value ? Json(to_string(*value)) : Json(nullptr);
}

Json action(const Action& value) {
    const Connection& connection = *value.connection;
    Json client = {{"address", json_address(connection.own_client_end().address)},
                   {"port", json_port(connection.own_client_end())},
                   {"seen_as", json_if_other(connection.client_end, connection.own_client_end())}};
    Json server = {{"address", json_address(connection.server_end.address)},
                   {"port", json_port(connection.server_end)}};
    if (is_unix(connection)) {
        client = {{"path", connection.client_path}};
        server["path"] = connection.client_path;
    }
    return {{"server", std::move(server)},
            {"client", std::move(client)},
            {"method", to_string(value.method)},
            {"planned", value.planned},
            {"outcome", outcome(value.outcome)},
            {"reason", text_or_null(value.reason)},
            {"group", text_or_null(connection.group)},
            {"silent_ms", silent_ms(connection)}};
}

void add_actions(Document& document, const RunFacts& head, const Sample& sample, const Acts& acts) {
    add_head(document, head, sample);
    if (acts.report.probes) document.member("probes", json_probes(*acts.report.probes));
    document.list("actions", acts.plan.actions, action);
    const Totals totals = acts.plan.totals();
    document.member("totals", {{"planned", totals.planned},
                               {"done", totals.done},
                               {"skipped", totals.skipped},
                               {"failed", totals.failed}});
}

}  // namespace

void reap_json(const RunFacts& head, const Sample& sample, const Acts& acts, const Sink& sink) {
    Document document(sink);
    add_actions(document, head, sample, acts);
    document.member("beyond_max", acts.plan.beyond_max);
    document.end();
}

void protect_json(const RunFacts& head, const Sample& sample, const Acts& acts, const Sink& sink) {
    Document document(sink);
    add_actions(document, head, sample, acts);
    document.list("coverage", acts.coverage, [&](const Coverage& value) {
        return Json{{"server", server_key(sample.servers[value.server])},
                    {"connections", value.connections},
                    {"keepalive_on", value.covered}};
    });
    document.list("settings", acts.settings, [&](const ServerSetting& value) {
        return Json{{"server", server_key(sample.servers[value.server])},
                    {"name", family_of(sample.servers[value.server].kind).settings.keepalive},
                    {"value_s", value.value_s},
                    {"planned", value.planned},
                    {"outcome", outcome(value.outcome)},
                    {"reason", text_or_null(value.reason)}};
    });
    document.end();
}

}  // namespace connleak::render
