#include "collect/snapshot/parse.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "collect/snapshot/bytes.h"
#include "collect/snapshot/records.h"

namespace connleak::collect {

namespace {

using Json = nlohmann::json;

constexpr std::size_t deepest = 32;
constexpr std::size_t largest_element = std::size_t{16} * 1024 * 1024;  // bytes, of one list's item

// A snapshot of version 1 has the same members as one of version 2.
constexpr std::int64_t oldest_version = 1;
constexpr std::int64_t newest_version = 2;

constexpr const char* too_large = "is damaged: one of its items is too large";

// Receives the members of the document one by one. List items are built as small values and passed
// on; unknown members are not stored.
class Handler : public nlohmann::json_sax<Json> {
  public:
    Handler(const WantSocket& want, ParsedSnapshot& into) : want_(want), into_(into) {}

    [[nodiscard]] const std::string& wrong() const { return wrong_; }
    [[nodiscard]] bool ended_early() const { return broken_; }

    // The error in the document's header members, if any; call it after parsing.
    [[nodiscard]] std::optional<std::string> judge() const {
        if (kind_ != "snapshot") return "is no snapshot of connleak";
        if (!version_) return "has no schema_version";
        if (!taken_at_) return "does not tell when it was taken";
        if (!has_sockets_ || !has_netns_) return "lacks its sockets or its addresses";
        return std::nullopt;
    }

    bool null() override { return value(nullptr); }
    bool boolean(bool given) override { return value(given); }
    bool number_integer(number_integer_t given) override { return value(given); }
    bool number_unsigned(number_unsigned_t given) override { return value(given); }
    bool number_float(number_float_t given, const string_t&) override { return value(given); }
    bool string(string_t& given) override { return value(std::move(given)); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(Json::object()); }
    bool start_array(std::size_t) override { return open(Json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& name) override {
        if (depth_ == 1)
            member_ = std::move(name);
        else if (!stack_.empty())
            key_ = std::move(name);
        return true;
    }
    bool parse_error(std::size_t, const std::string&, const Json::exception&) override {
        broken_ = true;
        return false;
    }

  private:
    [[nodiscard]] bool in_list() const {
        return member_ == "netns" || member_ == "sockets" || member_ == "processes" ||
               member_ == "translations";
    }
    bool fail(std::string why) {
        wrong_ = std::move(why);
        return false;
    }
    // Whether the next token begins a value that is wanted as a whole.
    [[nodiscard]] bool begins_element() const {
        if (skipping_ || !stack_.empty()) return false;
        return in_list() ? depth_ == 2 : depth_ == 1;
    }

    bool open(Json begun) {
        if (depth_ == 0 && !begun.is_object()) return fail("is no snapshot of connleak");
        if (depth_ == 1 && in_list()) {
            if (!begun.is_array()) return fail(fmt::format("is damaged: `{}` is no list", member_));
            has_sockets_ |= member_ == "sockets";
            has_netns_ |= member_ == "netns";
        } else if (depth_ == 1 && member_ != "host" && member_ != "clock" && member_ != "ports") {
            skipping_ = true;
        } else if (depth_ > 0) {
            if (stack_.empty() && !begins_element()) return deeper();
            if (!skipping_) push(std::move(begun));
            if (size_ > largest_element) return fail(too_large);
        }
        return deeper();
    }
    bool deeper() { return ++depth_ <= deepest || fail("is damaged: it is nested too deep"); }

    void push(Json begun) {
        size_ += sizeof(Json) + key_.size();
        if (dropping_) {
            stack_.push_back(nullptr);
        } else if (stack_.empty()) {
            element_ = std::move(begun);
            size_ = 0;
            stack_.push_back(&element_);
        } else {
            stack_.push_back(add(std::move(begun)));
        }
    }
    Json* add(Json given) {
        Json& parent = *stack_.back();
        if (parent.is_array()) {
            parent.push_back(std::move(given));
            return &parent.back();
        }
        Json& place = parent[key_];
        place = std::move(given);
        return &place;
    }

    bool value(Json given) {
        if (depth_ == 0) return fail("is no snapshot of connleak");
        if (stack_.empty()) {
            if (depth_ == 1 && !skipping_) return take_member(given);
            return depth_ != 2 || !in_list() || fail("is damaged: an item is no object");
        }
        size_ += sizeof(Json) + key_.size() +
                 (given.is_string() ? given.get_ref<const std::string&>().size() : 0);
        if (size_ > largest_element) return fail(too_large);
        if (!dropping_) add(std::move(given));
        return true;
    }

    bool close() {
        --depth_;
        if (stack_.empty()) {
            if (depth_ == 1) skipping_ = false;
            return true;
        }
        stack_.pop_back();
        if (!stack_.empty()) {
            // Most sockets are irrelevant, which their two ends show: the rest of such a socket is
            // skipped.
            if (member_ == "sockets" && !dropping_ && stack_.size() == 1 && key_is_end())
                dropping_ = !wanted();
            return true;
        }
        const bool dropped = std::exchange(dropping_, false);
        return dropped || take_element();
    }

    [[nodiscard]] bool key_is_end() const {
        return element_.contains("local") && element_.contains("remote");
    }
    [[nodiscard]] bool wanted() const {
        const auto tuple = tuple_of(element_);
        return !tuple || wants(*tuple);
    }
    [[nodiscard]] bool wants(const Tuple& tuple) const {
        return want_(tuple) || rewritten_.contains(tuple);
    }

    bool take_member(const Json& given) {
        if (member_ == "kind" && given.is_string()) {
            kind_ = given.get<std::string>();
            return kind_ == "snapshot" || fail("is no snapshot of connleak");
        }
        if (member_ == "schema_version") {
            if (given.is_number_integer()) version_ = given.get<std::int64_t>();
            if (!version_) return fail("has a schema_version that is no number");
            return (*version_ >= oldest_version && *version_ <= newest_version) ||
                   fail(fmt::format("has schema_version {}; this connleak reads {} and {}",
                                    *version_, oldest_version, newest_version));
        }
        if (member_ == "taken_at") {
            if (given.is_string())
                taken_at_ = parse_rfc3339_ms(given.get_ref<const std::string&>());
            if (!taken_at_) return fail("is damaged: `taken_at` is no instant");
            into_.taken_at_ms = *taken_at_;
        }
        return true;
    }

    bool take_element() {
        if (member_ == "host") {
            into_.host_name = text_of(element_, "name");
            into_.boot_id = text_of(element_, "boot_id");
        } else if (member_ == "clock") {
            read_clock(element_, into_);
        } else if (member_ == "ports") {
            into_.restricted = true;
        } else if (member_ == "netns") {
            auto place = namespace_of(element_);
            if (!place) return fail("is damaged: " + place.error());
            into_.namespaces.push_back(std::move(*place));
        } else if (member_ == "processes") {
            if (auto process = process_of(element_))
                into_.processes.by_pid.insert_or_assign(process->pid, std::move(*process));
        } else if (member_ == "translations") {
            const auto entry = translation_of(element_);
            if (!entry || !want_(entry->reply.mirrored())) return true;
            rewritten_.insert(entry->original);
            into_.translations.push_back(*entry);
        } else if (member_ == "sockets") {
            if (text_of(element_, "protocol") == "unix") return true;
            auto socket = socket_of(element_);
            if (!socket) return fail("is damaged: " + socket.error());
            if (!wants(socket->tuple)) return true;
            take_owners(element_, *socket, into_.processes);
            into_.sockets.push_back(*socket);
        }
        return true;
    }

    const WantSocket& want_;
    ParsedSnapshot& into_;
    std::size_t depth_ = 0;
    std::string member_;  // the document's member being read
    std::string key_;     // inside an element
    Json element_;
    std::unordered_set<Tuple> rewritten_;  // translated to a wanted one
    std::vector<Json*> stack_;             // the open containers of the element
    std::size_t size_ = 0;                 // of the element, approximate
    bool skipping_ = false;                // inside an irrelevant member
    bool dropping_ = false;                // inside an irrelevant socket
    std::string kind_;
    std::optional<std::int64_t> version_;
    std::optional<std::int64_t> taken_at_;
    bool has_sockets_ = false;
    bool has_netns_ = false;
    bool broken_ = false;
    std::string wrong_;
};

}  // namespace

std::expected<ParsedSnapshot, std::string> parse_snapshot(const ReadBytes& read,
                                                          const WantSocket& want) {
    ParsedSnapshot result;
    Handler handler(want, result);
    SnapshotBytes bytes(read);
    if (bytes.ended()) return std::unexpected("is empty");
    const bool whole = Json::sax_parse(SnapshotIterator(bytes), SnapshotIterator(), &handler,
                                       Json::input_format_t::json, true);
    if (!handler.wrong().empty()) return std::unexpected(handler.wrong());
    if (!whole) {
        if (bytes.too_long()) return std::unexpected("is damaged: one of its words is too long");
        return std::unexpected(bytes.ended()
                                   ? fmt::format("is cut off after {} bytes", bytes.count())
                                   : fmt::format("is no valid JSON at byte {}", bytes.count()));
    }
    if (auto wrong = handler.judge()) return std::unexpected(std::move(*wrong));
    return result;
}

}  // namespace connleak::collect
