// INFO and CLIENT LIST as a hostile server may send them.
#include "probes/redis/decode.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace connleak;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    ServerAnswer answer;
    probes::apply_info(text, answer);
    const auto list = probes::parse_client_list(text);
    // What the other parts rely on, whatever came.
    for (const ServerClient& client : list.clients) {
        if (client.address && !client.path.empty()) std::abort();
        if (client.fd && *client.fd < -1) std::abort();
        for (const auto& number : {client.age_s, client.idle_s, client.memory_bytes})
            if (number && *number < 0) std::abort();
        if (client.age_s && *client.age_s * 1000 < 0) std::abort();
    }
    return 0;
}
