// decode_socket() on arbitrary bytes. Whatever it makes of them must be a record that the rest of
// the program can print and compare.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "netlink/sockets/sock_diag_decode.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto socket = connleak::netlink::decode_socket(std::span(data, size), 7);
    if (!socket) return 0;
    if (*socket != *connleak::netlink::decode_socket(std::span(data, size), 7)) std::abort();
    for (const connleak::Endpoint& endpoint : {socket->tuple.local, socket->tuple.remote})
        if (connleak::Endpoint::parse(endpoint.text()) != endpoint) std::abort();
    const auto state = static_cast<unsigned>(socket->state);
    if (state < 1 || state > 11 || static_cast<unsigned>(socket->timer.kind) > 5) std::abort();
    return 0;
}
