// What a timeout would do, for people and for programs.
#pragma once

#include <span>
#include <string>

#include "cli/report/json.h"
#include "diagnosis/actions/what_if.h"

namespace connleak::render {

std::string what_if_table(const Sample& sample, std::span<const WhatIf> answers, bool color);

// As man/connleak-what-if.schema.json describes.
void what_if_json(const RunFacts& head, const Sample& sample, std::span<const WhatIf> answers,
                  const Sink& sink);

}  // namespace connleak::render
