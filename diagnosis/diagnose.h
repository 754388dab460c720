// The pipeline from a sample to a report: join, recheck, verdicts, holders, findings.
#pragma once

#include "diagnosis/connections/witness.h"
#include "diagnosis/model/report.h"

namespace connleak {

// The report's connections point into `sample`, which must outlive it.
Report diagnose(const Sample& sample, const Policy& policy, Witness& witness, std::int32_t own_pid);

// Recomputes what is derived from the connections and their verdicts: counts, holders, groups,
// findings.
void conclude(const Sample& sample, const Policy& policy, Report& report);

}  // namespace connleak
