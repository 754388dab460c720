// Where a renderer hands over text that is too long to be kept whole.
#pragma once

#include <functional>
#include <string_view>

namespace connleak::render {

// Takes text as it is made; false when nobody wants more.
using Sink = std::function<bool(std::string_view)>;

}  // namespace connleak::render
