// The outputs of `connleak sockets`. Only one line is kept in memory at a time, so that hundreds of
// thousands of sockets need little memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/render/json_parts.h"
#include "cli/render/sink.h"
#include "cli/sockets/columns.h"
#include "cli/sockets/count.h"

namespace connleak::render {

struct SocketsLook {
    bool headings = true;
    bool color = false;
};

// One line for each row. Makes two passes: the first computes the column widths.
void sockets_table(std::span<const SocketRow> rows, const SocketsView& view,
                   std::span<const Column* const> columns, SocketsLook look, const Sink& sink);
void counts_table(std::span<const cli::Count> counts, std::span<const cli::CountKey> keys,
                  SocketsLook look, const Sink& sink);

// Schema: man/connleak-sockets.schema.json.
void sockets_json(std::span<const SocketRow> rows, const SocketsView& view,
                  std::span<const Gap> gaps, const Sink& sink);
void counts_json(std::span<const cli::Count> counts, std::span<const cli::CountKey> keys,
                 std::span<const Gap> gaps, const Sink& sink);

// Fills an empty object with one socket, as in the `sockets` member of all of these documents.
void fill_socket(Json& json, const SocketRow& row, const SocketsView& view);

// One object per line, each with "type".
void sockets_ndjson(std::span<const SocketRow> rows, const SocketsView& view,
                    std::span<const Gap> gaps, const Sink& sink);
void counts_ndjson(std::span<const cli::Count> counts, std::span<const cli::CountKey> keys,
                   std::span<const Gap> gaps, const Sink& sink);

// Sorts the rows by a column.
void sort_rows(std::vector<SocketRow>& rows, const SocketsView& view, const Column& column,
               bool descending);

}  // namespace connleak::render
