#include "probes/tls/tls.h"

namespace connleak::probes {

// TLS 1.2 (RFC 5246, section 7.4.1.2) with two common ciphers and no extension. A server that
// requires more answers with an alert, which is enough.
std::string_view tls_hello() {
    static constexpr char bytes[] =
        "\x16\x03\x01\x00\x2f"              // a handshake record
        "\x01\x00\x00\x2b\x03\x03"          // ClientHello
        "connleak asks who is here, plain"  // 32 random bytes
        "\x00"                              // no session
        "\x00\x04\xc0\x2f\x00\x2f"          // the ciphers
        "\x01\x00";                         // no compression
    static_assert(sizeof bytes - 1 == 5 + 0x2f);
    return {bytes, sizeof bytes - 1};
}

// A handshake or alert record, of version 3.x.
bool is_tls_record(std::string_view head) {
    return head.starts_with("\x16\x03") || head.starts_with("\x15\x03");
}

}  // namespace connleak::probes
