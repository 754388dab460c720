// decode_tracked_connection() on arbitrary bytes: two whole tuples or nothing, and the same each
// time.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "netlink/network/conntrack_decode.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace connleak;
    const auto tracked = netlink::decode_tracked_connection(std::span(data, size), 7);
    if (!tracked) return 0;
    if (*tracked != *netlink::decode_tracked_connection(std::span(data, size), 7)) std::abort();
    for (const Tuple& tuple : {tracked->original, tracked->reply})
        if (tuple.local.address.family() == Family::none ||
            tuple.remote.address.family() == Family::none)
            std::abort();
    return 0;
}
