// Error names for gaps and messages.
#pragma once

#include <cstring>
#include <string>

namespace connleak {

// "EACCES"; "errno 4711" for a number unknown to the C library.
inline std::string errno_name(int code) {
    const char* const name = strerrorname_np(code);
    return name != nullptr ? name : "errno " + std::to_string(code);
}

}  // namespace connleak
