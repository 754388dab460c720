// The effect of a timeout, as text and as JSON.
#pragma once

#include <span>
#include <string>

#include "cli/report/json.h"
#include "diagnosis/actions/what_if.h"

namespace connleak::render {

std::string what_if_table(const Sample& sample, std::span<const WhatIf> answers, bool color);

// Schema: man/connleak-what-if.schema.json.
void what_if_json(const RunFacts& head, const Sample& sample, std::span<const WhatIf> answers,
                  const Sink& sink);

}  // namespace connleak::render
