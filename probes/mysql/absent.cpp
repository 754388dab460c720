// For a build without libmariadb: no server is asked, and the answer says why.
#include "probes/mysql/mysql.h"

namespace connleak::probes {

struct MysqlConversation::Impl {
    std::string scope;

    [[nodiscard]] ServerAnswer answer() const {
        ServerAnswer answer;
        answer.kind = ServerKind::mysql;
        answer.error = "MySQL is not in this build of connleak: " + std::string(why_no_mysql());
        answer.gaps.push_back(
            {"mysql", scope, answer.error,
             std::string(lacks_everything) + "; what follows is what the kernel shows without it"});
        return answer;
    }
};

std::string_view why_no_mysql() {
    return CONNLEAK_NO_MYSQL;
}

// NOLINTNEXTLINE(performance-unnecessary-value-param): as in the build that keeps them
MysqlConversation::MysqlConversation(std::string scope, Credentials /*credentials*/,
                                     Limits /*limits*/)
    : impl_(std::make_unique<Impl>(std::move(scope))) {}
MysqlConversation::~MysqlConversation() = default;

ServerAnswer MysqlConversation::ask(const Endpoint& /*server*/, const RunInside& /*inside*/) {
    return impl_->answer();
}
ServerAnswer MysqlConversation::ask_unix(const std::string& /*path*/, const RunInside& /*inside*/) {
    return impl_->answer();
}
std::optional<std::int32_t> MysqlConversation::peer_pid() const {
    return std::nullopt;
}
std::optional<std::vector<ServerClient>> MysqlConversation::clients_again() {
    return std::nullopt;
}
bool MysqlConversation::same_server_again() {
    return false;
}
std::optional<std::vector<ServerClient>> MysqlConversation::clients_by_id(
    std::span<const std::uint64_t> /*ids*/) {
    return std::nullopt;
}
std::vector<KillAnswer> MysqlConversation::kill_clients(std::span<const std::uint64_t> /*ids*/) {
    return {};
}
std::string MysqlConversation::set_config(std::string_view /*name*/, std::string_view /*value*/) {
    return std::string(why_no_mysql());
}

}  // namespace connleak::probes
