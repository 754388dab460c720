// A server's own words, fit to be shown: texts that come from the network are cut, kept to one line
// and cleared of the password that was sent.
#pragma once

#include <string>
#include <string_view>

namespace connleak::probes {

// The first line, of bounded length. `password` is taken out; "" for none.
std::string server_line(std::string_view text, std::string_view password);

// Puts "(hidden)" wherever the password stands.
void hide(std::string& text, std::string_view password);

// Overwrites what `text` holds, its spare capacity included.
void wipe(std::string& text);

}  // namespace connleak::probes
