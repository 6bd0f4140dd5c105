// SPDX-License-Identifier: Apache-2.0
// The microcontroller's description as "name value" lines, with the names of the configuration's fields.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace tinyformer {

class Settings {
public:
    explicit Settings(const std::string& text);

    // Value of a setting; throws std::runtime_error if it is missing.
    std::int64_t get(const std::string& name) const;
    const std::string& text(const std::string& name) const;
    // Space-separated numbers of a setting; empty if it is missing.
    std::vector<std::int64_t> list(const std::string& name) const;
    // All settings "prefix.N" for N = 0, 1, ...
    std::vector<std::vector<std::int64_t>> table(const std::string& prefix) const;

private:
    std::unordered_map<std::string, std::string> values_;
};

}  // namespace tinyformer
