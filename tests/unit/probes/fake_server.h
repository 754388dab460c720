// A server on loopback that says what a test tells it to, so that a client meets every way in which
// a real one can refuse, hang or break off. One thread per connection; all end with the object.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "diagnosis/model/address.h"

namespace connleak::test {

// The server's end of one connection.
class FakePeer {
  public:
    FakePeer(int descriptor, const std::atomic<bool>& stop)
        : descriptor_(descriptor), stop_(stop) {}

    // The next command's words joined by blanks; "" when the client has gone or the test ends.
    std::string read_command();
    // False when the client has gone.
    bool send(std::string_view bytes) const;
    // Waits as long as the client stays connected and the test runs; false when one of them ends.
    [[nodiscard]] bool wait(std::chrono::milliseconds duration) const;
    // Until the client goes.
    void hold() const {
        while (wait(std::chrono::seconds(1))) {
        }
    }

  private:
    bool fill();

    int descriptor_;
    const std::atomic<bool>& stop_;
    std::string buffer_;
};

class FakeServer {
  public:
    using Script = std::function<void(FakePeer&)>;

    explicit FakeServer(Script script);
    // Answers each command with the text that is kept for it, raw, and an unknown one as Redis
    // does.
    explicit FakeServer(std::map<std::string, std::string> answers);
    ~FakeServer();
    FakeServer(const FakeServer&) = delete;
    FakeServer& operator=(const FakeServer&) = delete;

    [[nodiscard]] Endpoint endpoint() const;
    // The commands of all connections so far.
    [[nodiscard]] std::vector<std::string> commands() const;

  private:
    void accept_all();

    Script script_;
    int listener_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<bool> stop_ = false;
    mutable std::mutex mutex_;
    std::vector<std::string> commands_;
    std::vector<std::jthread> connections_;
    std::jthread acceptor_;
};

// "$5\r\nhello\r\n"
std::string bulk(std::string_view text);

}  // namespace connleak::test
