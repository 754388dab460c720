// Whole outputs in files: tests/golden. CONNLEAK_UPDATE_GOLDEN=1 writes them anew; look at what
// changed before you keep it.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace connleak::test {

inline void expect_golden(const std::string& name, const std::string& text,
                          const std::string& extension = ".txt") {
    const std::string file = TEST_DATA "/golden/" + name + extension;
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    if (std::getenv("CONNLEAK_UPDATE_GOLDEN") != nullptr) {
        std::ofstream(file) << text;
        return;
    }
    std::ostringstream golden;
    golden << std::ifstream(file).rdbuf();
    EXPECT_EQ(text, golden.str()) << file;
}

}  // namespace connleak::test
