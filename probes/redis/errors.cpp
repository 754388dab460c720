#include "probes/redis/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "probes/error_text.h"
#include "system/errno_name.h"

namespace connleak::probes {

namespace {

constexpr std::size_t longest_excerpt = 60;

bool is_printable(char letter) {
    return letter >= ' ' && letter <= '~';
}

// "NOPERM" of "NOPERM this user has no permissions …"; "" if the line does not begin with a code,
// or only with the general one.
std::string_view code_of(std::string_view line) {
    const std::string_view word = line.substr(0, line.find(' '));
    const bool is_code = word.size() > 2 && std::all_of(word.begin(), word.end(), [](char letter) {
                             return letter >= 'A' && letter <= 'Z';
                         });
    return is_code && word != "ERR" ? word : std::string_view{};
}

// The first bytes, printable. An answer that repeats the login is not quoted: it could contain the
// password in an encoded form.
std::string excerpt(std::string_view head, std::string_view password) {
    if (!password.empty() && head.find("AUTH") != std::string_view::npos) return {};
    std::string text;
    for (const char letter : head) {
        if (is_printable(letter)) text += letter;
        if (letter == '\n' && !text.empty()) break;
    }
    hide(text, password);
    if (text.size() > longest_excerpt) text.resize(longest_excerpt);
    return text;
}

std::string duration_text(std::chrono::milliseconds duration) {
    if (duration.count() % 1000 == 0) return fmt::format("{} s", duration.count() / 1000);
    return fmt::format("{} ms", duration.count());
}

RedisError system_error(int number) {
    const char* const text = strerrordesc_np(number);
    return {errno_name(number), text == nullptr ? fmt::format("error {}", number) : text};
}

}  // namespace

Refusal classify(std::string_view error_reply) {
    const auto begins = [&](std::string_view text) { return error_reply.starts_with(text); };
    if (begins("ERR max number of clients")) return Refusal::at_limit;
    if (begins("DENIED")) return Refusal::protected_mode;
    // The second one is from 2.6.
    if (begins("NOAUTH") || begins("ERR operation not permitted")) return Refusal::needs_login;
    if (begins("ERR Client sent AUTH, but no password is set") ||
        error_reply.find("without any password configured") != std::string_view::npos)
        return Refusal::no_login_known;
    return Refusal::other;
}

RedisError error_of_reply(std::string_view error_reply, std::string_view password) {
    const std::string line = server_line(error_reply, password);
    const std::string_view code = code_of(line);
    return {std::string(code.empty() ? std::string_view(line) : code), line};
}

RedisError speaks_tls() {
    const std::string_view missing = why_no_tls();
    return {"TLS", missing.empty()
                       ? "the server speaks TLS on this port: use --tls or rediss://"
                       : fmt::format("the server speaks TLS on this port, and this connleak has no "
                                     "TLS ({})",
                                     missing)};
}

RedisError speaks_no_tls() {
    return {"TLS", "the server does not speak TLS on this port"};
}

RedisError not_redis(std::string_view head, std::string_view password) {
    if (is_tls_record(head)) return speaks_tls();
    const std::string quoted = excerpt(head, password);
    return {"protocol error", quoted.empty() ? "this is not a Redis server"
                                             : "this is not a Redis server: " + quoted};
}

RedisError error_of_failure(const RespFailure& failure, const FailureContext& context) {
    const std::string waited = duration_text(context.timeout);
    const std::string by_tls = context.first && context.by_tls ? "TLS: " : "";
    const char* const closing = failure.number == 0 ? "connection closed" : "ECONNRESET";
    switch (failure.kind) {
        case FailureKind::system:
            if (failure.number == ETIMEDOUT) return {"ETIMEDOUT", "no connection within " + waited};
            return system_error(failure.number);
        case FailureKind::silent:
            return {"ETIMEDOUT", by_tls + "no answer within " + waited};
        case FailureKind::unended:
            return {"ETIMEDOUT", "an answer began and did not end within " + waited};
        case FailureKind::closed:
            if (context.first && context.by_tls)
                return {closing,
                        "the server closed the connection in the TLS handshake, as one at "
                        "its limit of clients does, too"};
            return {closing, "the server closed the connection without an answer"};
        case FailureKind::broken_off:
            return {closing, "the server closed the connection within an answer"};
        case FailureKind::too_large: {
            const std::string text =
                fmt::format("the answer is larger than {} bytes", context.most_bytes);
            return {text, text};
        }
        case FailureKind::tls:
            return {"TLS", failure.head};
        case FailureKind::protocol:
            break;
    }
    if (context.first) return not_redis(failure.head, context.password);
    return {"protocol error", "the server's answer is not RESP"};
}

}  // namespace connleak::probes
