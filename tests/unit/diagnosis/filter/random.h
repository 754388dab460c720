// Random filter expressions about given sockets, as a word list for the shell: in ss's language, or
// with connleak's own predicates among it.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "diagnosis/model/records.h"

namespace connleak::filter {

class RandomExpressions {
  public:
    struct Kinds {
        bool own = false;  // timer, idle, keepalive, owners, states inside, families
        bool hosts = true;
        bool devices = true;
        bool autobound = true;
        bool autobound_under_not = true;
        bool zero_hosts_under_not = true;  // addresses that begin with 32 zero bits, or fewer
    };

    RandomExpressions(unsigned seed, const std::vector<Socket>& sockets)
        : random_(seed), sockets_(sockets) {}

    std::vector<std::string> make(const Kinds& kinds) {
        kinds_ = kinds;
        words_.clear();
        under_not_ = 0;
        for (std::size_t i = below(4) == 0 ? 1 + below(2) : 0; i > 0; --i)
            add({one_of({"state", "state", "exclude"}), state()});
        if (words_.empty() || below(4) != 0) expression(0);
        return words_;
    }

    std::size_t below(std::size_t limit) { return random_() % limit; }

  private:
    std::string one_of(std::initializer_list<const char*> choices) {
        return *(choices.begin() + below(choices.size()));
    }
    void add(std::initializer_list<std::string> words) {
        for (const std::string& word : words)
            if (!word.empty()) words_.push_back(word);
    }

    std::string state() {
        return one_of({"established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2",
                       "time-wait", "close-wait", "last-ack", "listening", "connected",
                       "synchronized", "bucket", "big"});
    }

    const Socket& any_socket() { return sockets_[below(sockets_.size())]; }
    const Endpoint& any_end() {
        return below(2) == 0 ? any_socket().tuple.local : any_socket().tuple.remote;
    }

    std::string port() {
        const std::size_t kind = below(6);
        const std::size_t port = any_end().port;
        if (kind == 0) return std::to_string(below(65536));
        if (kind == 1) return fmt::format("0x{:x}", port);
        return std::to_string(kind == 2 ? (port + below(4)) % 65536 : port);
    }

    // An address of the sockets with the number of its bits that count.
    struct Place {
        Address address;
        bool mapped = false;
        std::size_t bits = 0;
        bool cut = false;
    };

    Place place() {
        Place place{.address = any_end().address};
        const bool ipv6 = place.address.family() == Family::ipv6;
        place.mapped = !ipv6 && below(4) == 0;
        place.bits = ipv6 || place.mapped ? 128 : 32;
        place.cut = below(2) == 0;
        if (place.cut)
            place.bits = below(3) == 0 ? below(place.bits + 1) : place.bits - below(place.bits / 4);
        return place;
    }

    static bool begins_with_zeros(const Place& place) {
        if (place.mapped) return true;
        const auto bytes = place.address.bytes();
        for (std::size_t bit = 0; bit < std::min<std::size_t>(place.bits, 32); ++bit)
            if ((bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) return false;
        return true;
    }

    std::string address() {
        Place chosen = place();
        while (under_not_ > 0 && !kinds_.zero_hosts_under_not && begins_with_zeros(chosen))
            chosen = place();
        std::string text = (chosen.mapped ? "::ffff:" : "") + chosen.address.text();
        if (chosen.cut) text += fmt::format("/{}", chosen.bits);
        return text.find(':') != std::string::npos ? '[' + text + ']' : text;
    }

    void expression(int depth) {
        operand(depth);
        for (std::size_t i = below(depth == 0 ? 5 : 3); i > 0; --i) {
            add({one_of({"and", "&", "&&", "", "or", "|", "||", "or"})});
            operand(depth);
        }
    }

    void operand(int depth) {
        const std::size_t nots = below(4) == 0 ? 1 + below(2) : 0;
        for (std::size_t i = 0; i < nots; ++i) add({one_of({"!", "not"})});
        under_not_ += nots == 0 ? 0 : 1;
        if (depth < 3 && below(4) == 0) {
            add({"("});
            expression(depth + 1);
            add({")"});
        } else if (kinds_.own && below(3) == 0) {
            own();
        } else {
            predicate();
        }
        under_not_ -= nots == 0 ? 0 : 1;
    }

    void predicate() {
        const std::size_t kind = below(10);
        if (kind < 4 && kinds_.hosts) {
            add({one_of({"src", "dst"}), one_of({"", "=", "==", "eq"})});
            switch (below(8)) {
                case 0:
                    return add({":" + port()});
                case 1:
                    return add({one_of({"*", "*:*", "any", "all"})});
                case 2:
                    return add({"*:" + port()});
                case 3:
                    return add({address() + ":*"});
                case 4:
                case 5:
                    return add({address() + ":" + port()});
                default:
                    return add({address()});
            }
        }
        if (kind == 4 && kinds_.devices)
            return add({"dev", one_of({"", "=", "!=", "ne"}), one_of({"lo", "1", "0", "77"})});
        if (kind == 5 && kinds_.autobound && (under_not_ == 0 || kinds_.autobound_under_not))
            return add({"autobound"});
        if (kind == 6 && below(3) == 0)
            return add({one_of({"sport", "dport"}), one_of({"=", "!="}), one_of({"*", ":*"})});
        add({one_of({"sport", "dport"}),
             one_of({"", "=", "==", "eq", "!=", "ne", "neq", "<", "lt", ">", "gt", "<=", "le",
                     "leq", ">=", "ge", "geq"}),
             (below(2) == 0 ? ":" : "") + port()});
    }

    void own() {
        switch (below(8)) {
            case 0:
                return add({"timer", one_of({"=", "!="}), one_of({"off", "keepalive", "on"})});
            case 1:
                return add({"keepalive", one_of({"on", "off", "unknown"})});
            case 2:
                return add({"idle", one_of({">", "<", "=", "!="}), one_of({"5", "1m", "2h"})});
            case 3:
                return add({one_of({"comm", "unit", "user", "group"}), one_of({"=", "!=", "~"}),
                            one_of({"redis", "php", "x"})});
            case 4:
                return add({"pid", one_of({"=", "!="}), std::to_string(below(4))});
            case 5:
                // Behind something else, or else it is the prefix that it is in ss.
                return add({"(", one_of({"state", "exclude"}), state(), ")"});
            case 6:
                return add({"src", one_of({"=", "!="}), one_of({"inet:*", "inet6:*"})});
            default:
                return add({one_of({"src", "dst"}), "!=", address() + ":" + port()});
        }
    }

    std::mt19937 random_;
    const std::vector<Socket>& sockets_;
    Kinds kinds_;
    std::vector<std::string> words_;
    int under_not_ = 0;
};

}  // namespace connleak::filter
