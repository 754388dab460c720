#include "cli/options/target.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

#include "diagnosis/model/printable.h"
#include "diagnosis/model/server_family.h"

namespace connleak::cli {

namespace {

std::optional<std::uint16_t> parse_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
    return port;
}

bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

// "host:port", "[v6]:port", ":port"; `port` is set only if there is one.
struct Place {
    std::string_view host;
    std::string_view port;
    bool broken = false;
};

Place split(std::string_view text) {
    if (text.starts_with('[')) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) return {.host = {}, .port = {}, .broken = true};
        const std::string_view rest = text.substr(end + 1);
        if (!rest.empty() && rest.front() != ':') return {.host = {}, .port = {}, .broken = true};
        if (text.substr(0, end).find(':') == std::string_view::npos)
            return {.host = {}, .port = {}, .broken = true};
        return {.host = text.substr(1, end - 1), .port = rest.empty() ? rest : rest.substr(1)};
    }
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return {.host = text, .port = {}};
    // In an IPv6 address without brackets, the start of the port is ambiguous.
    if (text.find(':') != colon) return {.host = {}, .port = {}, .broken = true};
    return {.host = text.substr(0, colon), .port = text.substr(colon + 1)};
}

// The text before the last '@': a user name, and possibly a password.
std::string_view user_of(std::string_view text) {
    const std::size_t scheme = text.find("://");
    if (scheme != std::string_view::npos) text.remove_prefix(scheme + 3);
    const std::size_t at = text.rfind('@');
    return at == std::string_view::npos ? std::string_view() : text.substr(0, at);
}

// Whether it contains a colon, also in URL encoding.
bool holds_password(std::string_view user) {
    return user.find(':') != std::string_view::npos || user.find("%3A") != std::string_view::npos ||
           user.find("%3a") != std::string_view::npos;
}

// The allowed forms of a TARGET, for all families, asked or not.
std::string forms() {
    std::string asked, others;
    for (const ServerFamily& family : server_families())
        (can_be_asked(family.kinds.front().kind) ? asked : others) += fmt::format(
            "{}{}", can_be_asked(family.kinds.front().kind) ? ", " : " or ", family.url_form);
    return fmt::format("write host:port, :port{}, unix:/path{}", asked, others);
}

std::string login_forms() {
    std::string text;
    for (const ServerFamily& family : server_families())
        if (!family.login_form.empty())
            text += fmt::format("{}{}", text.empty() ? "" : ", ", family.login_form);
    return text;
}

// Where to give the password for this text, which may be an incomplete URL.
std::string_view password_place(std::string_view text) {
    for (const ServerFamily& family : server_families())
        if (!family.password_place.empty() && text.starts_with(fmt::format("{}:", family.scheme)))
            return family.password_place;
    return server_families().front().password_place;
}

}  // namespace

std::expected<collect::Target, std::string> parse_target(std::string_view text) {
    collect::Target target;
    target.text = text;
    std::string_view rest = text;
    const auto wrong = [&](std::string_view why) {
        return std::unexpected(fmt::format("TARGET '{}': {}", printable(text), why));
    };

    if (take(rest, "unix:")) {
        if (rest.starts_with('@')) {
            if (rest.size() == 1) return wrong("after unix:@ comes an abstract name");
            if (rest.size() > 108) return wrong("an abstract name has at most 107 bytes");
            target.path = rest;
            return target;
        }
        take(rest, "//");
        if (!rest.starts_with('/'))
            return wrong(
                "the path of a Unix socket begins with /, an abstract name with @: "
                "unix:/run/redis/redis.sock");
        if (rest.size() > 107) return wrong("the path of a Unix socket has at most 107 bytes");
        target.path = rest;
        return target;
    }
    // Does not quote the text: it contains a password.
    if (holds_password(user_of(text)))
        return std::unexpected(
            fmt::format("TARGET: a password on the command line is visible to everybody; give it "
                        "in {}, by --pass-file FILE or --askpass",
                        password_place(text)));
    const auto scheme = find_scheme(text);
    if (!scheme && text.find("://") != std::string_view::npos)
        return wrong(fmt::format("unknown scheme; {}", forms()));
    if (scheme) {
        target.kind = scheme->family->kinds.front().kind;
        target.tls = scheme->tls;
        rest.remove_prefix(scheme->size);
    }
    const ServerFamily& family = family_of(target.kind);
    const bool url = scheme && can_be_asked(target.kind);

    if (const std::size_t at = rest.rfind('@'); at != std::string_view::npos) {
        const std::string_view user = rest.substr(0, at);
        if (!url) return wrong(fmt::format("a user goes with {} or --user", login_forms()));
        target.user = user;
        rest.remove_prefix(at + 1);
    }
    if (url) {
        if (const std::size_t slash = rest.find('/'); slash != std::string_view::npos) {
            const std::string_view database = rest.substr(slash + 1);
            if (family.numbered_databases &&
                database.find_first_not_of("0123456789") != std::string_view::npos)
                return wrong("after the port comes nothing, or a database's number");
            rest = rest.substr(0, slash);
        }
    }
    const Place place = split(rest);
    const std::uint16_t usual = family.ports.empty() ? usual_ports().front() : family.ports.front();
    if (place.broken)
        return wrong(fmt::format("an IPv6 address goes in brackets: [2001:db8::1]:{}", usual));
    target.host = place.host;
    if (place.port.empty()) {
        if (rest.ends_with(':')) return wrong("a port is missing after ':'");
        if (!url || place.host.empty()) return wrong(scheme ? "a port is missing" : forms());
        target.port = usual;
        return target;
    }
    const auto port = parse_port(place.port);
    if (!port) return wrong("a port is a number from 1 to 65535");
    target.port = *port;
    if (!scheme) target.kind = usual_kind(*port);
    if (target.host == "*" || target.host == "0.0.0.0" || target.host == "::") target.host.clear();
    return target;
}

}  // namespace connleak::cli
