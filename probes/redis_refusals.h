// What a server says instead of an answer, in one line for a person and as a word for a program.
// Texts that come from the network are cut, kept to one line and cleared of the password that was
// sent.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "probes/resp_connection.h"

namespace connleak::probes {

enum class Refusal : std::uint8_t {
    at_limit,        // -ERR max number of clients reached
    protected_mode,  // -DENIED
    needs_login,     // -NOAUTH
    no_login_known,  // AUTH where no password is set
    other,           // NOPERM, unknown command, LOADING, BUSY, ...
};

Refusal classify(std::string_view error_reply);

// What went wrong, twice.
struct Trouble {
    std::string word;  // for Gap::error: "NOPERM", "ETIMEDOUT"
    std::string line;  // for ServerAnswer::error
};

// The server's own words in one line. `password` is taken out; "" for none.
std::string server_line(std::string_view text, std::string_view password);
Trouble trouble_of_reply(std::string_view error_reply, std::string_view password);

struct FailureContext {
    bool first = true;                     // nothing was answered on this connection before
    std::chrono::milliseconds patience{};  // how long was waited
    std::uint64_t most_bytes = 0;
    std::string_view password;
    bool by_tls = false;
};
Trouble trouble_of_failure(const RespFailure& failure, const FailureContext& context);

// The server speaks TLS, and was spoken to in plain text.
Trouble speaks_tls();
// The other way round.
Trouble speaks_no_tls();

// "this is not a Redis server: …"
Trouble not_redis(std::string_view head, std::string_view password);

// Overwrites what `text` holds, its spare capacity included.
void wipe(std::string& text);

}  // namespace connleak::probes
