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
    json.add("kind", to_string(value.kind));
    json.add("expires_ms", value.expires_ms);
    json.add("retransmits", value.retransmits);
    return json;
}

Json json_owners(const Processes& processes, std::uint32_t inode) {
    Json list = Json::array();
    const auto found = processes.owners.find(inode);
    if (inode == 0 || found == processes.owners.end()) return list;
    for (const Owner& owner : found->second) {
        const auto process = processes.by_pid.find(owner.pid);
        Json json = Json::object();
        json.add("pid", owner.pid);
        json.add("fd", owner.fd);
        json.add("comm",
                 process == processes.by_pid.end() ? Json(nullptr) : Json(process->second.comm));
        list.push_back(std::move(json));
    }
    return list;
}

Json json_gap(const Gap& gap) {
    return {
        {"source", gap.source}, {"scope", gap.scope}, {"error", gap.error}, {"effect", gap.effect}};
}

void add_socket(Json& json, const Processes& processes, const Socket& socket) {
    json.add("state", to_string(socket.state));
    json.add("inode", socket.inode != 0 ? Json(socket.inode) : Json(nullptr));
    json.add("cookie", fmt::format("{:x}", socket.cookie));
    json.add("netns", socket.netns);
    json.add("uid", socket.uid);
    json.add("rx_queue_bytes", socket.rx_queue_bytes);
    json.add("tx_queue_bytes", socket.tx_queue_bytes);
    json.add("timer", json_timer(socket.timer));
    const TcpInfo* info = socket.info ? &*socket.info : nullptr;
    const auto fact = [&](auto member) {
        return info != nullptr ? Json(info->*member) : Json(nullptr);
    };
    json.add("last_data_received_ms", fact(&TcpInfo::last_data_received_ms));
    json.add("last_data_sent_ms", fact(&TcpInfo::last_data_sent_ms));
    json.add("last_ack_received_ms", fact(&TcpInfo::last_ack_received_ms));
    json.add("unacked", fact(&TcpInfo::unacked));
    json.add("backoff", fact(&TcpInfo::backoff));
    json.add("probes", fact(&TcpInfo::probes));
    json.add("rtt_us", fact(&TcpInfo::rtt_us));
    json.add("total_retransmits", fact(&TcpInfo::total_retransmits));
    json.add("owners", json_owners(processes, socket.inode));
}

void Document::member(std::string_view name, const Json& value) {
    begin(name);
    value.write(text_);
}

void Document::begin(std::string_view name) {
    text_ += begun_ ? ",\n  " : "{\n  ";
    begun_ = true;
    Json(name).write(text_);
    text_ += ": ";
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

Lines::Lines(Sink sink, const Json& common) : sink_(std::move(sink)) {
    common.write(common_);
    common_.front() = ',';
    common_.pop_back();
    if (common_.size() > 1) common_ += ',';
}

bool Lines::line(std::string_view type, const Json& object) {
    text_ += "{\"type\":";
    Json(type).write(text_);
    text_ += common_;
    const std::size_t brace = text_.size();
    object.write(text_);
    text_.erase(brace, 1);
    text_ += '\n';
    if (text_.size() >= piece) end();
    return wanted_;
}

void Lines::end() {
    wanted_ = wanted_ && sink_(text_);
    text_.clear();
}

}  // namespace connleak::render
