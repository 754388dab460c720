// The parts that every JSON output has in common, so that a socket or a gap looks the same in all
// of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cli/render/json.h"
#include "cli/render/sink.h"
#include "diagnosis/model/records.h"

namespace connleak::render {

// Of all documents that the program writes; connleak-json(5), Stability.
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
// The members of one end's socket, its owners last.
void add_socket(Json& json, const Processes& processes, const Socket& socket);

// As much text is handed over at a time.
inline constexpr std::size_t piece = std::size_t{64} * 1024;

// Writes an object member by member: a document of the whole would take many times its size in
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

// Writes objects one a line (NDJSON), each with its "type" before its own members.
class Lines {
  public:
    // The members of `common`, an object, stand in every line behind "type".
    explicit Lines(Sink sink, const Json& common = Json::object());

    // `object` has at least one member. False when nobody wants more.
    bool line(std::string_view type, const Json& object);
    void end();

  private:
    Sink sink_;
    std::string common_;
    std::string text_;
    bool wanted_ = true;
};

}  // namespace connleak::render
