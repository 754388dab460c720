// The parts shared by all JSON outputs, so that sockets and gaps look the same in all of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cli/render/json.h"
#include "cli/render/sink.h"
#include "diagnosis/model/records.h"

namespace connleak::render {

// The version of all documents that the program writes; connleak-json(5), Stability.
inline constexpr int schema_version = 2;

template <typename T>
Json maybe(const std::optional<T>& value) {
    return value ? Json(*value) : Json(nullptr);
}
Json text_or_null(std::string_view text);

Json json_address(const Address& value);
Json json_timer(const Timer& value);
Json json_owners(const Processes& processes, std::uint32_t inode);
Json json_gap(const Gap& gap);
// Adds the members of one end's socket, owners last.
void add_socket(Json& json, const Processes& processes, const Socket& socket);

// Text is passed on in pieces of this size, in bytes.
inline constexpr std::size_t piece = std::size_t{64} * 1024;

// Writes an object member by member: building the whole document would take many times its size in
// memory. Ends with a newline.
class Document {
  public:
    explicit Document(Sink sink) : sink_(std::move(sink)) {}

    void member(std::string_view name, const Json& value);

    template <typename Range, typename Make>
    void list(std::string_view name, const Range& range, Make make) {
        begin(name);
        text_ += '[';
        bool first = true;
        for (const auto& each : range) {
            text_ += first ? "\n    " : ",\n    ";
            first = false;
            make(each).write(text_);
            if (!pass_on(piece)) return;
        }
        text_ += first ? "]" : "\n  ]";
    }

    void end();

  private:
    void begin(std::string_view name);
    bool pass_on(std::size_t at_least);

    Sink sink_;
    std::string text_;
    bool begun_ = false;
    bool wanted_ = true;
};

// Writes one object per line (NDJSON), each with "type" as its first member.
class Lines {
  public:
    // The members of `common`, an object, follow "type" in every line.
    explicit Lines(Sink sink, const Json& common = Json::object());

    // `object` has at least one member. Returns false if the reader wants no more.
    bool line(std::string_view type, const Json& object);
    void end();

  private:
    Sink sink_;
    std::string common_;
    std::string text_;
    bool wanted_ = true;
};

}  // namespace connleak::render
