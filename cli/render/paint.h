// Terminal colours (ECMA-48 SGR), or none.
#pragma once

#include <string>
#include <string_view>

#include "diagnosis/model/report.h"

namespace connleak::render {

class Paint {
  public:
    explicit Paint(bool on) : on_(on) {}
    [[nodiscard]] std::string bold(std::string_view text) const { return wrap("1", text); }
    [[nodiscard]] std::string dim(std::string_view text) const { return wrap("2", text); }
    [[nodiscard]] std::string severity(Severity severity, std::string_view text) const {
        return wrap(severity == Severity::critical  ? "1;31"
                    : severity == Severity::warning ? "1;33"
                                                    : "1;32",
                    text);
    }
    [[nodiscard]] std::string verdict(Verdict verdict, std::string_view text) const {
        switch (verdict) {
            case Verdict::ghost:
            case Verdict::orphan:
                return wrap("31", text);
            case Verdict::suspect:
            case Verdict::close_wait:
            case Verdict::unaccepted:
                return wrap("33", text);
            case Verdict::healthy:
                return wrap("32", text);
            case Verdict::unverified:
            case Verdict::transient:
                return std::string(text);
        }
        return std::string(text);
    }

  private:
    [[nodiscard]] std::string wrap(std::string_view code, std::string_view text) const {
        if (!on_ || text.empty()) return std::string(text);
        return "\x1b[" + std::string(code) + 'm' + std::string(text) + "\x1b[0m";
    }
    bool on_;
};

}  // namespace connleak::render
