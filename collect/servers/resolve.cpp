#include "collect/servers/resolve.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <memory>
#include <span>
#include <thread>

namespace connleak::collect {

namespace {

using Found = std::expected<std::vector<Address>, std::string>;

Found look_up(const std::string& host) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    const int status = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
    if (status != 0)
        return std::unexpected(std::string("the name does not resolve: ") + ::gai_strerror(status));
    std::vector<Address> addresses;
    for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
        Address address;
        if (each->ai_family == AF_INET) {
            sockaddr_in end{};
            std::memcpy(&end, each->ai_addr, sizeof end);
            address =
                Address::from_bytes({reinterpret_cast<const std::uint8_t*>(&end.sin_addr), 4});
        } else if (each->ai_family == AF_INET6) {
            sockaddr_in6 end{};
            std::memcpy(&end, each->ai_addr, sizeof end);
            address =
                Address::from_bytes({reinterpret_cast<const std::uint8_t*>(&end.sin6_addr), 16});
        } else {
            continue;
        }
        if (std::ranges::find(addresses, address) == addresses.end()) addresses.push_back(address);
    }
    ::freeaddrinfo(list);
    if (addresses.empty()) return std::unexpected(std::string("the name has no address"));
    return addresses;
}

}  // namespace

Found resolve(const std::string& host, std::chrono::milliseconds limit) {
    if (const auto numeric = Address::parse(host)) return std::vector{*numeric};
    // A resolver can take far longer than our timeout; its blocked thread then ends with the
    // process.
    auto answer = std::make_shared<std::promise<Found>>();
    std::future<Found> future = answer->get_future();
    std::thread([answer, host] { answer->set_value(look_up(host)); }).detach();
    if (future.wait_for(limit) != std::future_status::ready)
        return std::unexpected(std::string("the name did not resolve in time"));
    return future.get();
}

}  // namespace connleak::collect
