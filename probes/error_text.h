// Server messages made safe to display: texts from the network are truncated, reduced to one line,
// and stripped of the password that was sent.
#pragma once

#include <string>
#include <string_view>

namespace connleak::probes {

// The first line, of bounded length, without `password` ("" for none).
std::string server_line(std::string_view text, std::string_view password);

// Replaces each occurrence of the password by "(hidden)".
void hide(std::string& text, std::string_view password);

// Overwrites the contents of `text`, including its spare capacity.
void wipe(std::string& text);

}  // namespace connleak::probes
