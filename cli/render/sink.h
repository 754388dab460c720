// The destination of rendered text that is too long to keep in memory.
#pragma once

#include <functional>
#include <string_view>

namespace connleak::render {

// Takes the text in pieces; returns false if no more is wanted.
using Sink = std::function<bool(std::string_view)>;

}  // namespace connleak::render
