// A build without TLS: CONNLEAK_NO_TLS says why (CMakeLists.txt). No session can begin.
#include "probes/tls/tls.h"

namespace connleak::probes {

struct TlsContext::Impl {};
struct TlsSession::Impl {};

std::string_view why_no_tls() {
    return CONNLEAK_NO_TLS;
}

std::expected<std::shared_ptr<const TlsContext>, std::string> TlsContext::make(
    const TlsSettings& /*settings*/) {
    return std::unexpected(std::string(why_no_tls()));
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsContext::~TlsContext() = default;

std::expected<std::unique_ptr<TlsSession>, std::string> TlsSession::begin(
    redisContext& /*connection*/, const TlsUse& /*use*/) {
    return std::unexpected(std::string(why_no_tls()));
}

TlsSession::TlsSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
TlsSession::~TlsSession() = default;

TlsStep TlsSession::shake_hands() {
    return TlsStep::failed;
}

TlsStep TlsSession::write(std::string_view /*bytes*/, std::size_t& taken) {
    taken = 0;
    return TlsStep::failed;
}

bool TlsSession::prepare_to_read() {
    return false;
}

std::string TlsSession::explain() const {
    return std::string(why_no_tls());
}

}  // namespace connleak::probes
