#include "cli/render/json_parts.h"

#include <fmt/format.h>

#include "diagnosis/model/report.h"

namespace connleak::render {

Json text_or_null(std::string_view text) {
    return text.empty() ? Json(nullptr) : Json(text);
}

Json json_address(const Address& value) {
    return text_or_null(value.text());
}

Json json_timer(const Timer& value) {
    Json json = Json::object();
    Members members(json);
    members.add("kind", word(value.kind));
    members.add("expires_ms", value.expires_ms);
    members.add("retransmits", value.retransmits);
    return json;
}

Json json_owners(const Processes& processes, std::uint32_t inode) {
    Json list = Json::array();
    const auto found = processes.owners.find(inode);
    if (inode == 0 || found == processes.owners.end()) return list;
    for (const Owner& owner : found->second) {
        const auto process = processes.by_pid.find(owner.pid);
        Json json = Json::object();
        Members members(json);
        members.add("pid", owner.pid);
        members.add("fd", owner.fd);
        members.add("comm",
                    process == processes.by_pid.end() ? Json(nullptr) : Json(process->second.comm));
        list.push_back(std::move(json));
    }
    return list;
}

Json json_gap(const Gap& gap) {
    return {
        {"source", gap.source}, {"scope", gap.scope}, {"error", gap.error}, {"effect", gap.effect}};
}

void add_socket(Members& members, const Processes& processes, const Socket& socket) {
    members.add("state", word(socket.state));
    members.add("inode", socket.inode != 0 ? Json(socket.inode) : Json(nullptr));
    members.add("cookie", fmt::format("{:x}", socket.cookie));
    members.add("netns", socket.netns);
    members.add("uid", socket.uid);
    members.add("rx_queue_bytes", socket.rx_queue_bytes);
    members.add("tx_queue_bytes", socket.tx_queue_bytes);
    members.add("timer", json_timer(socket.timer));
    const TcpInfo* info = socket.info ? &*socket.info : nullptr;
    const auto fact = [&](auto member) {
        return info != nullptr ? Json(info->*member) : Json(nullptr);
    };
    members.add("last_data_received_ms", fact(&TcpInfo::last_data_received_ms));
    members.add("last_data_sent_ms", fact(&TcpInfo::last_data_sent_ms));
    members.add("last_ack_received_ms", fact(&TcpInfo::last_ack_received_ms));
    members.add("unacked", fact(&TcpInfo::unacked));
    members.add("backoff", fact(&TcpInfo::backoff));
    members.add("probes", fact(&TcpInfo::probes));
    members.add("rtt_us", fact(&TcpInfo::rtt_us));
    members.add("total_retransmits", fact(&TcpInfo::total_retransmits));
    members.add("owners", json_owners(processes, socket.inode));
}

std::string json_text(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void Document::member(std::string_view name, const Json& value) {
    begin(name);
    text_ += json_text(value);
}

void Document::begin(std::string_view name) {
    text_ += begun_ ? ",\n  " : "{\n  ";
    begun_ = true;
    text_ += json_text(Json(name)) + ": ";
}

void Document::end() {
    text_ += "\n}\n";
    pass_on(0);
}

bool Document::pass_on(std::size_t at_least) {
    if (text_.size() < at_least) return wanted_;
    wanted_ = wanted_ && sink_(text_);
    text_.clear();
    return wanted_;
}

Lines::Lines(Sink sink, const Json& common) : sink_(std::move(sink)), common_(json_text(common)) {
    common_.front() = ',';
    common_.pop_back();
    if (common_.size() > 1) common_ += ',';
}

bool Lines::line(std::string_view type, const Json& object) {
    text_ += "{\"type\":" + json_text(Json(type)) + common_;
    text_.append(json_text(object), 1);
    text_ += '\n';
    if (text_.size() >= piece) end();
    return wanted_;
}

void Lines::end() {
    wanted_ = wanted_ && sink_(text_);
    text_.clear();
}

}  // namespace connleak::render
